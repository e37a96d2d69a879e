package bypass

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// identity is about becoming somebody else: rows 1 to 5.
func identity() []attack {
	return []attack{
		{name: "01-reset-role", run: escape("RESET ROLE")},
		{name: "01-set-role-none", run: escape("SET ROLE NONE")},
		{name: "01-set-config-role", run: escape("SELECT set_config('role', 'none', false)")},
		{name: "01-discard-all", run: escape("DISCARD ALL")},
		{name: "01-set-local-role", run: escape("BEGIN", "SET LOCAL ROLE NONE")},
		{name: "01-do-execute", run: escape("DO $$ BEGIN EXECUTE 'RESET ROLE'; END $$")},
		{name: "01-startup-role", run: startupRole},
		{name: "02-function-call", run: functionCall},
		{name: "03-session-authorization", run: escape("SET SESSION AUTHORIZATION postgres"), refused: "42501"},
		{name: "03-row-security-off", run: rowSecurityOff, refused: "42501"},
		{name: "04-duplicate-parameters", run: duplicateParameters},
		{name: "04-search-path", run: searchPath},
		{name: "04-plans-to-the-client", run: plansToTheClient},
		{name: "04-unknown-option", run: unknownOption},
		{name: "04-no-database", run: noDatabase},
		{name: "05-replication", run: replication},
	}
}

// escape runs statements that may change who one is, then reads the table.
func escape(sql ...string) func(*target) []string {
	return func(t *target) []string {
		c := t.connect()
		t.permit()
		for _, q := range append(sql, t.raw()) {
			c.query(q)
		}
		return nil
	}
}

// startupRole chooses the role to which RESET ROLE goes back.
func startupRole(t *target) []string {
	t.escapeToStrong(t.with("options", "-c role="+t.strong))
	return nil
}

func (t *target) escapeToStrong(c *client) {
	c.query("RESET ROLE")
	c.query(fmt.Sprintf("SELECT advertising_id FROM public.devices WHERE user_id = %d", t.other.id))
}

// functionCall changes the role and reads a table without one word of SQL that a
// gateway could read, and in one write.
func functionCall(t *target) []string {
	oid := func(name string) (id uint32) {
		if err := t.store.QueryRow(context.Background(), "SELECT $1::text::regproc::oid", name).Scan(&id); err != nil {
			t.tb.Fatal(err)
		}
		return id
	}
	text := func(function string, args ...string) *pgproto3.FunctionCall {
		f := &pgproto3.FunctionCall{Function: oid(function)}
		for _, a := range args {
			f.Arguments = append(f.Arguments, []byte(a))
		}
		return f
	}
	c := t.connect()
	c.send(text("set_config", "role", "none", "f"), text("query_to_xml", t.raw(), "t", "f", ""))
	if a := c.until(2); a.has('V') {
		return []string{"a function ran without any SQL text"}
	}
	return nil
}

// rowSecurityOff must never add rows: PostgreSQL fails the query instead.
func rowSecurityOff(t *target) []string {
	c := t.connect()
	for _, q := range []string{"SET row_security = off", "SELECT set_config('row_security', 'off', false)", "SELECT host(ip) FROM public.signins", "SELECT host(ip) FROM signins"} {
		c.query(q)
	}
	return nil
}

// duplicateParameters hides a startup parameter behind a harmless one of its name:
// who checks the first and who obeys the last may be two.
func duplicateParameters(t *target) (found []string) {
	t.escapeToStrong(t.with("options", "-c geqo=on", "options", "-c role="+t.strong))
	for _, pairs := range [][]string{{"datestyle", "ISO", "DateStyle", "German"}, {"user", t.strong}, {"database", "postgres"}} {
		if c := t.with(pairs...); !c.over {
			found = append(found, "a session although "+pairs[0]+" came twice")
		}
	}
	return found
}

// searchPath points names at another schema than the lens.
func searchPath(t *target) []string {
	handle := fmt.Sprintf("SELECT handle FROM users WHERE id = %d", t.other.id)
	t.with("search_path", t.elsewhere+", public").query(handle)
	c := t.connect()
	t.permit()
	for _, q := range []string{"SET search_path = " + t.elsewhere, "SELECT set_config('search_path', '" + t.elsewhere + ", public', false)", handle} {
		c.query(q)
	}
	return nil
}

// plansToTheClient asks for the server's log lines, and for plans in the log: what
// EXPLAIN would show, without EXPLAIN.
func plansToTheClient(t *target) []string {
	c := t.with("client_min_messages", "log", "debug_print_plan", "on")
	return plan(c.query("SELECT id FROM users WHERE country = 'DE'"))
}

// plan looks for what EXPLAIN and its relatives print.
func plan(a answer) []string {
	for _, mark := range []string{"Rows Removed by Filter", "Plan Rows", "(cost=", ":plan_rows"} {
		if a.contains(mark) {
			return []string{"a plan with its row counts: " + mark}
		}
	}
	return nil
}

// unknownOption asks for a protocol option nobody knows. PostgreSQL says so
// (NegotiateProtocolVersion); a client that is not told relies on it.
func unknownOption(t *target) []string {
	c := t.with("_pq_.trefoil", "on")
	for _, m := range c.hello {
		if m.kind == 'v' && binary.BigEndian.Uint32(m.body[4:]) == 1 && strings.Contains(string(m.body[8:]), "_pq_.trefoil\x00") {
			return nil
		}
	}
	if c.over {
		return nil
	}
	return []string{"an unknown protocol option was accepted without a word"}
}

// noDatabase leaves the name out, for which PostgreSQL takes the user's.
func noDatabase(t *target) (found []string) {
	for _, pairs := range [][]string{{"user", t.user}, {"user", t.user, "database", ""}} {
		if c := t.startup(pairs...); !c.over {
			found = append(found, "a session on a database that nobody named")
		}
	}
	return found
}

// replication copies the whole store, as a replica does.
func replication(t *target) []string {
	t.with("replication", "true")
	c := t.with("replication", "database")
	c.send(&pgproto3.Query{String: "BASE_BACKUP (CHECKPOINT 'fast')"})
	var tail []byte // of the files, in which a row may be split between two messages
	for !c.over {
		m, ok := c.next()
		c.seen.Reset()
		if !ok || m.kind == 'Z' {
			break
		}
		tail = append(tail, m.body...)
		if strings.Contains(string(tail), t.other.email) {
			return []string{"another user's email, in a copy of the store's files"}
		}
		tail = tail[max(0, len(tail)-100):]
	}
	return nil
}
