package lens

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// leaky is what operators really have: a definer function that everybody may
// call (found so on Pagila), a function with a key in its source, a view and
// defaults granted to PUBLIC.
const leaky = `
CREATE FUNCTION public.rewards_report(min int) RETURNS SETOF users LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM public.users';
CREATE FUNCTION public.sign(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN $1 || 'key-0451'; END $$;
CREATE SCHEMA reports;
GRANT USAGE ON SCHEMA reports TO PUBLIC;
CREATE VIEW reports.emails AS SELECT email FROM users;
GRANT SELECT ON reports.emails TO PUBLIC;
GRANT SELECT (full_name) ON users TO PUBLIC;
CREATE SEQUENCE reports.s; GRANT USAGE ON SEQUENCE reports.s TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA reports GRANT SELECT ON TABLES TO PUBLIC;
`

func denied(t *testing.T, c Querier, sql string) {
	t.Helper()
	got, err := query(c, sql)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42501" && pg.Code != "42P01" && pg.Code != "3F000" && pg.Code != "42883" {
		t.Errorf("%s: gave %v, error %v; want it denied", sql, got, err)
	}
}

func TestFence(t *testing.T) {
	s := newStore(t, few, leaky)
	s.exec("CREATE ROLE reporter LOGIN PASSWORD 'r'; CREATE ROLE loner LOGIN NOINHERIT PASSWORD 'r'")
	t.Cleanup(func() { s.exec("DROP OWNED BY reporter, loner; DROP ROLE reporter, loner") })
	leaks, err := CheckFence(ctx, s.admin)
	if err != nil {
		t.Fatal(err)
	}
	if len(leaks) == 0 || leaks[0].String() != "definer function public.rewards_report(integer): EXECUTE" {
		t.Fatalf("the list begins with %v, not with the definer function", leaks[:min(1, len(leaks))])
	}
	for _, target := range []string{"SCHEMA public", "SCHEMA reports", "TABLE reports.emails", "LANGUAGE plpgsql",
		"ROUTINE pg_catalog.pg_notify(text, text)", "ROUTINE pg_catalog.lo_from_bytea(oid, bytea)", "TABLE pg_catalog.pg_proc"} {
		if !slices.ContainsFunc(leaks, func(h Held) bool { return h.Target == target }) {
			t.Errorf("%s is not listed", target)
		}
	}
	s.apply()
	if leaks, err := CheckFence(ctx, s.gate()); err != nil || len(leaks) > 0 {
		t.Fatalf("after apply the gate finds %v, %v", leaks, err)
	}

	// What existed keeps working, and what comes later gets nothing.
	for _, role := range []string{"reporter", "loner"} {
		c := s.as(role, "r")
		want(t, rows(t, c, "SELECT count(*) FROM public.rewards_report(1)"), "3")
		want(t, rows(t, c, "SELECT count(*) FROM reports.emails"), "3")
		want(t, rows(t, c, "SELECT public.sign('a')"), "akey-0451")
		want(t, rows(t, c, "SELECT full_name FROM users ORDER BY 1 LIMIT 1"), "Anna Karin Berg")
		want(t, rows(t, c, "SELECT prosrc ~ 'key-0451' FROM pg_proc WHERE oid = 'public.sign(text)'::regprocedure"), "t")
		if _, err := query(c, "CREATE TEMP TABLE x()"); err != nil {
			t.Errorf("%s lost its temporary tables: %v", role, err)
		}
	}
	_, c := s.session(s.gate(), Bulk)
	for _, sql := range []string{
		"SELECT * FROM public.rewards_report(1)", "SELECT * FROM public.users", "SELECT full_name FROM public.users", "SELECT * FROM reports.emails",
		"SELECT nextval('reports.s')", "CREATE TEMP TABLE x()", "CREATE TABLE x()", "DO $$ BEGIN END $$",
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE SCHEMA mine",
		"SELECT prosrc FROM pg_proc", "SELECT pg_get_functiondef('pg_catalog.now'::regproc)", "SELECT * FROM pg_stats WHERE true AND pg_relation_size('users') > 0",
		"SELECT pg_notify('a', 'b')", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_create(0)", "SELECT lo_get(1)", "SELECT * FROM pg_stat_activity", "SELECT pg_cancel_backend(1)",
		"SELECT pg_terminate_backend(1)", "SELECT * FROM pg_locks", "SELECT pg_relation_size('users')", "SELECT pg_total_relation_size('users')",
		"SELECT pg_database_size(current_database())", "SELECT * FROM pg_stat_all_tables", "SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_xact_lock(1)",
		"SELECT pg_export_snapshot()", "SELECT pg_logical_emit_message(false, 'a', 'b')", "SELECT pg_read_file('/etc/passwd')",
		"SELECT * FROM trefoil.scope", "SELECT pads FROM trefoil.session", "SELECT trefoil.session_close('x')", "SELECT trefoil.session_open('a',1,'clips','masked','bulk',1,'',NULL,NULL,NULL)",
		"SET ROLE trefoil_owner", "SET SESSION AUTHORIZATION postgres", "CREATE ROLE x", "GRANT trefoil_public TO current_user",
		"INSERT INTO users(id) VALUES (9)", "UPDATE users SET country = 'IE'", "DELETE FROM users", "SELECT * FROM users FOR UPDATE", "COPY users TO PROGRAM 'true'",
		"SELECT rolpassword FROM pg_authid", "SELECT * FROM pg_statistic", "SELECT loread(0, 1)",
		"SELECT set_config('debug_print_plan', 'on', false)",
	} {
		denied(t, c, sql)
	}
	// Ordinary clients list functions, tables and columns as they always do.
	want(t, rows(t, c, "SELECT count(*) > 3 FROM information_schema.columns WHERE table_name = 'users'"), "t")
	want(t, rows(t, c, "SELECT proname FROM pg_proc WHERE proname = 'now' AND xmin IS NOT NULL"), "now")
}

func TestTheGateMayOnlyCallItsFunctions(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	for _, sql := range []string{"SELECT * FROM public.users", "SELECT * FROM trefoil.lens", "SELECT pads FROM trefoil.session", "SELECT * FROM trefoil.scope",
		"UPDATE trefoil.lens SET in_force = true", "CREATE ROLE x", "ALTER ROLE postgres NOLOGIN", "CREATE TEMP TABLE x()", "SELECT pg_terminate_backend(1)"} {
		denied(t, gate, sql)
	}
	var schema string
	if err := s.admin.QueryRow(ctx, "SELECT schema FROM trefoil.lens WHERE lens = 'clear' AND scope = 'bulk'").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	denied(t, gate, "SELECT * FROM "+ident(schema, "users"))
	for name, bad := range map[string]Session{
		"lens":      {Gate: "a", Lens: &Compiled{Dataset: "clips", Lens: "raw", Scope: Bulk}, Verifier: verifier(secret)},
		"dataset":   {Gate: "a", Lens: &Compiled{Dataset: "postgres", Lens: Masked, Scope: Bulk}, Verifier: verifier(secret)},
		"gate":      {Gate: "a_1", Lens: s.lens(Masked, Bulk), Verifier: verifier(secret)},
		"quote":     {Gate: `a" SUPERUSER --`, Lens: s.lens(Masked, Bulk), Verifier: verifier(secret)},
		"plaintext": {Gate: "a", Lens: s.lens(Masked, Bulk), Verifier: "password"},
		"injection": {Gate: "a", Lens: s.lens(Masked, Bulk), Verifier: verifier(secret) + "' SUPERUSER"},
		"nobody":    {Gate: "a", Lens: s.lens(Masked, Case), Verifier: verifier(secret)},
		"words":     {Gate: "a", Lens: s.lens(Masked, Case), Verifier: verifier(secret), Subjects: []string{"1 OR true"}},
		"too many":  {Gate: "a", Lens: s.lens(Masked, Case), Verifier: verifier(secret), Subjects: numbers(MaxSubjects + 1)},
		"no key":    {Gate: "a", Lens: &Compiled{Dataset: "clips", Lens: Pseudonymous, Scope: Bulk}, Verifier: verifier(secret)},
		"no names":  {Gate: "a", Lens: &Compiled{Dataset: "clips", Lens: Pseudonymous, Scope: Case, KeyType: "uuid"}, Verifier: verifier(secret), Subjects: []string{"1"}},
	} {
		_, err := OpenSession(ctx, gate, bad)
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != fault.BadInput && e.Kind != fault.Conflict {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_roles WHERE rolname ~ '^trefoil_s_'"), "0")
}

// What somebody other than the owner granted to PUBLIC is not the superuser's to
// revoke by REVOKE alone, and apply says so instead of calling it fenced.
func TestApplyRefusesWhileSomethingIsLeft(t *testing.T) {
	s := newStore(t, few)
	s.exec(`CREATE ROLE giver; GRANT USAGE ON SCHEMA public TO giver WITH GRANT OPTION; SET ROLE giver; GRANT USAGE ON SCHEMA public TO PUBLIC; RESET ROLE`)
	t.Cleanup(func() { s.exec("DROP OWNED BY giver CASCADE; DROP ROLE giver") })
	err := Apply(ctx, s.admin, s.plan())
	if err == nil || !strings.Contains(err.Error(), "schema public: USAGE") {
		t.Fatalf("apply = %v; want a refusal that names schema public", err)
	}
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_namespace WHERE nspname = 'trefoil'"), "0")
	s.exec("SET ROLE giver; REVOKE USAGE ON SCHEMA public FROM PUBLIC; RESET ROLE")
	s.apply()
}

func TestALaterGrantToPublicIsFound(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	for _, c := range []struct{ grant, undo, names string }{
		{"GRANT USAGE ON SCHEMA public TO PUBLIC", "REVOKE USAGE ON SCHEMA public FROM PUBLIC", "schema public: USAGE"},
		{"GRANT EXECUTE ON FUNCTION pg_notify(text, text) TO PUBLIC", "REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC", "pg_notify"},
		{"GRANT SELECT ON pg_authid TO PUBLIC", "REVOKE SELECT ON pg_authid FROM PUBLIC", "pg_catalog.pg_authid: SELECT"},
		{"GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC", "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM PUBLIC", "pg_read_file"},
		{"GRANT TEMP ON DATABASE " + s.plan().Database + " TO PUBLIC", "REVOKE TEMP ON DATABASE " + s.plan().Database + " FROM PUBLIC", "TEMPORARY"},
		{"GRANT SELECT (prosrc) ON pg_proc TO PUBLIC", "REVOKE SELECT (prosrc) ON pg_proc FROM PUBLIC", "prosrc"},
		{"CREATE EXTENSION IF NOT EXISTS file_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER file_fdw TO PUBLIC", "DROP EXTENSION file_fdw", "file_fdw"},
	} {
		s.exec(c.grant)
		leaks, err := CheckFence(ctx, gate)
		if err != nil || !slices.ContainsFunc(leaks, func(h Held) bool { return strings.Contains(h.String(), c.names) }) {
			t.Errorf("%s: found %v, %v", c.grant, leaks, err)
		}
		s.exec(c.undo)
	}
	// A new function is out of reach as long as its schema is.
	s.exec("CREATE FUNCTION public.later() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")
	if leaks, err := CheckFence(ctx, gate); err != nil || len(leaks) > 0 {
		t.Errorf("a function in a closed schema: %v, %v", leaks, err)
	}
}

func TestDropLeavesNothingBehind(t *testing.T) {
	s := newStore(t, few, leaky)
	count := func() []string {
		return rows(t, s.admin, `SELECT 'role', rolname::text FROM pg_roles WHERE rolname ~ '^trefoil_' UNION ALL
			SELECT 'schema', nspname FROM pg_namespace WHERE nspname ~ 'trefoil|^clips_' UNION ALL
			SELECT 'table', relname || array_to_string(relacl, ' ') FROM pg_class WHERE relacl::text ~ 'trefoil'`)
	}
	before, err := held(ctx, s.admin, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.apply()
	s.session(s.gate(), Bulk)
	if err := Drop(ctx, s.admin, "clips", DropOptions{}); err == nil || !strings.Contains(err.Error(), "1 open sessions") {
		t.Errorf("drop with a session open = %v", err)
	}
	if err := Drop(ctx, s.admin, "clips", DropOptions{Sessions: true, Unfence: true}); err != nil {
		t.Fatal(err)
	}
	want(t, count())
	after, err := held(ctx, s.admin, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, after) {
		t.Errorf("PUBLIC held %d things before and %d after", len(before), len(after))
	}
}

func TestWhoIsNotSuperuserIsTold(t *testing.T) {
	s := newStore(t, few)
	s.exec("CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'r'")
	t.Cleanup(func() { s.exec("DROP OWNED BY dba; DROP ROLE dba") })
	var conn *pgx.Conn = s.as("dba", "r")
	p, err := NewPlan(ctx, conn, s.ds, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Apply(ctx, conn, p); err == nil || !strings.Contains(err.Error(), "not a superuser") {
		t.Errorf("apply = %v", err)
	}
}
