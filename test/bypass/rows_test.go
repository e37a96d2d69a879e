package bypass

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// rows is about rows and values outside the lens, and other sessions: rows 6, 7,
// 13 and 16.
func rows() []attack {
	return []attack{
		{name: "06-temp-function", every: true, run: tempFunction},
		{name: "06-cast-error", every: true, run: castError},
		{name: "07-explain", every: true, run: explain},
		{name: "07-plan-as-log-line", run: planAsLogLine},
		{name: "13-unique-key", run: uniqueKey},
		{name: "13-failing-row", run: failingRow},
		{name: "16-application-name", run: applicationName},
	}
}

// tempFunction makes a function so cheap that PostgreSQL calls it before the
// view's own condition, with every hidden row.
func tempFunction(t *target) []string {
	c := t.connect()
	c.query("CREATE FUNCTION pg_temp.peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$")
	c.query("SELECT id FROM users WHERE pg_temp.peek(handle)")
	return nil
}

// castError makes the first row that is looked at fail, with its value in the
// message; without a barrier that is a row the view would have left out.
func castError(t *target) (found []string) {
	c := t.connect()
	a := c.query("SELECT id FROM users WHERE handle::boolean")
	for _, m := range a {
		// Whatever is quoted must be what the session may read anyway.
		_, quoted, ok := strings.Cut(strings.TrimSuffix(m.field('M'), `"`), `boolean: "`)
		if m.kind != 'E' || !ok {
			continue
		}
		if c.query("SELECT FROM users WHERE handle = '"+quoted+"' LIMIT 1").rows() == 0 {
			found = append(found, "a value of a hidden row: "+quoted)
		}
	}
	return found
}

// explain asks how many rows were left out, in every way to ask.
func explain(t *target) (found []string) {
	const q = "SELECT id FROM users WHERE country = 'DE'"
	c := t.connect()
	for _, sql := range []string{
		"EXPLAIN ANALYZE " + q, "explain (analyze, format json) " + q, "/* */ -- \n EXPLAIN " + q, "SELECT 1; EXPLAIN ANALYZE " + q,
		"PREPARE p AS " + q + "; EXPLAIN ANALYZE EXECUTE p", "BEGIN; DECLARE k CURSOR FOR EXPLAIN " + q, "ROLLBACK", "CREATE TEMP TABLE k AS EXPLAIN " + q,
		`DO $$ DECLARE l text; BEGIN FOR l IN EXPLAIN ANALYZE SELECT id FROM users LOOP RAISE NOTICE '%', l; END LOOP; END $$`,
	} {
		if leaked := plan(c.query(sql)); leaked != nil {
			found = append(found, sql+": "+leaked[0])
		}
	}
	c.send(append(extended("EXPLAIN ANALYZE "+q, 0, 0), &pgproto3.Sync{})...)
	return append(found, plan(c.until(1))...)
}

// planAsLogLine turns on what 04-plans-to-the-client asks for at startup, later:
// by SET, and by the function that SET is for those who may not say SET.
func planAsLogLine(t *target) (found []string) {
	for _, form := range []string{"SET %s = %s", "SELECT set_config('%s', '%s', false)"} {
		c := t.connect()
		c.query(fmt.Sprintf(form, "client_min_messages", "log"))
		c.query(fmt.Sprintf(form, "debug_print_plan", "on"))
		found = append(found, plan(c.query("SELECT id FROM users WHERE country = 'DE'"))...)
	}
	return found
}

// uniqueKey learns from a conflict that somebody exists whom the lens hides.
func uniqueKey(t *target) []string {
	a := t.connect().query(fmt.Sprintf("UPDATE users SET id = %d", t.other.id))
	if a.state() == "23505" {
		return []string{"that a user of this id exists"}
	}
	return nil
}

// failingRow has PostgreSQL quote the row that a constraint refuses.
func failingRow(t *target) (found []string) {
	c := t.connect()
	for _, sql := range []string{
		fmt.Sprintf("UPDATE users SET country = NULL WHERE id = %d", t.self.ID),
		"INSERT INTO users (id, handle) VALUES (1, 'x')",
	} {
		if a := c.query(sql); a.contains("Failing row contains") {
			found = append(found, "a row that a constraint refused")
		}
	}
	return found
}

// applicationName reads what other sessions say about themselves and what they
// run. What somebody writes there about a case is personal data.
func applicationName(t *target) (found []string) {
	const name, text = "case of anna.holm", "letter to anna.holm"
	victim := t.with("application_name", name+" at startup")
	for _, sql := range []string{"SELECT 1", "SET application_name = '" + name + " by SET'", "SELECT set_config('application_name', '" + name + " by a function', false)", "SELECT '" + text + "'"} {
		victim.query(sql)
		c := t.connect()
		c.query("RESET ROLE")
		a := c.query("SELECT application_name, query FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
		if a.contains(name) {
			found = append(found, "another session's application_name, as after: "+sql)
		}
		if a.contains(text) {
			found = append(found, "another session's SQL text")
		}
		c.leave()
		// Other roles of the store are not behind the gate.
		var seen bool
		if err := t.store.QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE $1)", name+"%").Scan(&seen); err != nil {
			t.tb.Fatal(err)
		}
		if seen {
			found = append(found, "an application_name that every role of the store sees, as after: "+sql)
		}
	}
	return found
}
