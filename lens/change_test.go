package lens

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

func TestFingerprintNamesWhatChanged(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	p, err := Fingerprint(ctx, gate, "clips", Masked, Case)
	if err != nil {
		t.Fatal(err)
	}
	var prints Prints // as a gate asks, which reads it all only when a stamp changed
	now := time.Unix(0, 0)
	check := func() error {
		_, err := prints.Check(ctx, gate, now, "clips", Masked, Case)
		return err
	}
	compiled, problems, err := Compile(ctx, gate, s.ds)
	if c := Find(compiled, Masked, Case); err != nil || len(problems) > 0 || p.Digest != c.Digest || p.Schema != c.Schema {
		t.Errorf("the gate compiles %s, %v, %v; in force is %s", c.Schema, problems, err, p.Schema)
	}
	for _, c := range []struct{ change, undo, want string }{
		{"CREATE OR REPLACE VIEW SCHEMA.users WITH (security_barrier) AS SELECT id, handle, full_name, email, phone, born, country, bio, created_at FROM public.users", "", "view users was changed"},
		{"ALTER VIEW SCHEMA.orders RESET (security_barrier)", "", "view orders was changed"},
		{"CREATE VIEW SCHEMA.more AS SELECT * FROM public.users", "DROP VIEW SCHEMA.more", "view more was added"},
		{"DROP VIEW SCHEMA.views", "", "view views is gone"},
		{"GRANT SELECT ON SCHEMA.users TO PUBLIC", "", "view users was changed"},
		{"GRANT SELECT ON public.users TO ROLE", "REVOKE SELECT ON public.users FROM ROLE", "privileges of ROLE was changed"},
		{"GRANT pg_read_all_data TO ROLE", "REVOKE pg_read_all_data FROM ROLE", "role ROLE was changed"},
		{"ALTER ROLE ROLE BYPASSRLS", "", "role ROLE was changed"},
		{"GRANT trefoil_owner TO trefoil_gate", "REVOKE trefoil_owner FROM trefoil_gate", "role trefoil_gate was changed"},
		{"ALTER FUNCTION trefoil.session_open SECURITY INVOKER", "", "function trefoil.session_open(text,bigint,text,text,text,bigint,text,text[],text[],bytea) was changed"},
		{"GRANT SELECT ON trefoil.scope TO trefoil_gate", "", "table trefoil.scope was changed"},
		{"CREATE FUNCTION trefoil.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION trefoil.mine()", "function trefoil.mine() was added"},
		{"CREATE POLICY p ON users; ALTER TABLE users ENABLE ROW LEVEL SECURITY", "ALTER TABLE users DISABLE ROW LEVEL SECURITY; DROP POLICY p ON users", "row security of users was changed"},
		{"GRANT SELECT (email) ON public.users TO ROLE", "REVOKE SELECT (email) ON public.users FROM ROLE", "privileges of ROLE was changed"},
		{"CREATE ROLE insider IN ROLE trefoil_owner", "DROP ROLE insider", "role trefoil_owner was changed"},
		{"ALTER ROLE trefoil_gate SET work_mem TO '1MB'", "ALTER ROLE trefoil_gate RESET work_mem", "role trefoil_gate was changed"},
		{"CREATE RULE more AS ON INSERT TO SCHEMA.users DO INSTEAD NOTHING", "", "view users was changed"},
	} {
		p, _, err := readPrint(ctx, s.admin, "clips", Masked, Case)
		if err != nil {
			t.Fatal(err)
		}
		r := strings.NewReplacer("SCHEMA.", p.Schema+".", "ROLE ROLE", "ROLE "+p.Role, "TO ROLE", "TO "+p.Role, "FROM ROLE", "FROM "+p.Role, "of ROLE", "of "+p.Role, "role ROLE", "role "+p.Role)
		s.exec(r.Replace(c.change))
		err = check()
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != fault.Conflict || !contains(e.Detail, strings.NewReplacer("row security of users", "row security of public.users").Replace(r.Replace(c.want))) && !contains(e.Detail, r.Replace(c.want)) {
			t.Errorf("%s: error = %v; want %s", c.change, err, r.Replace(c.want))
		}
		if c.undo != "" {
			s.exec(r.Replace(c.undo))
		} else if plan := s.plan(); plan.Empty() {
			t.Errorf("%s: the plan does not repair it", c.change)
		} else if err := Apply(ctx, s.admin, plan); err != nil {
			t.Errorf("%s: repairing: %v", c.change, err)
		}
		for range 2 { // the whole, and the stamp alone
			if err := check(); err != nil {
				t.Fatalf("%s: after it was put right: %v", c.change, err)
			}
		}
	}
	// What the stamp leaves out is found within a minute.
	s.exec("GRANT UPDATE ON public.users TO " + ident(s.plan().viewer))
	now = now.Add(printAge)
	if err := check(); err == nil || !strings.Contains(err.Error(), "privileges of trefoil_v_clips") {
		t.Errorf("what the views' owner may do: %v", err)
	}
	if _, err := Fingerprint(ctx, gate, "clips", "raw", Case); !errors.As(err, new(*fault.Error)) {
		t.Errorf("a lens that does not exist: %v", err)
	}
}

func TestColumnTypeMigration(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	old, before := s.session(gate, Case, "1")
	alter := "ALTER TABLE videos ALTER COLUMN seconds TYPE numeric(12, 3)"
	if _, err := s.admin.Exec(ctx, alter); err == nil {
		t.Fatal("PostgreSQL let the column be altered under the views")
	}
	views, err := Release(ctx, s.admin, s.ds, "videos")
	if err != nil || len(views) != 6 {
		t.Fatalf("release = %v, %v", views, err)
	}
	_, err = OpenSession(ctx, gate, Session{Gate: "eu-1", Seq: 1, Lens: s.lens(Masked, Bulk), Verifier: verifier(secret)})
	if err == nil || !strings.Contains(err.Error(), "no lens clips/masked in scope bulk is in force") {
		t.Errorf("a session during the migration: %v", err)
	}
	s.exec(alter)
	s.apply()
	o, after := s.session(gate, Case, "1")
	if o.Schema == old.Schema {
		t.Error("a changed type gives the same schema")
	}
	want(t, rows(t, after, "SELECT pg_typeof(seconds) FROM (VALUES (1)) v LEFT JOIN videos ON true"), "numeric")
	want(t, rows(t, before, "SELECT id FROM users"), "1") // what the old session has left
	if p := s.plan(); len(p.Old) != 1 || !strings.Contains(p.Old[0], old.Schema) {
		t.Errorf("old schemas = %v; want the one with a session", p.Old)
	}
	if err := CloseSession(ctx, gate, old.Role); err != nil {
		t.Fatal(err)
	}
	s.apply()
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^clips_'"), "6")
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_roles WHERE rolname ~ '^trefoil_l_'"), "6")
	for _, l := range s.plan().Lenses { // dropping the old leaves the new as it was applied
		if _, err := Fingerprint(ctx, gate, l.Dataset, l.Lens, l.Scope); err != nil {
			t.Error(err)
		}
	}
}

func TestReleaseThenApplyWithoutChange(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	if _, err := Release(ctx, s.admin, s.ds, "users"); err != nil {
		t.Fatal(err)
	}
	s.apply()
	_, c := s.session(s.gate(), Bulk)
	want(t, rows(t, c, "SELECT count(*) FROM users"), "3")
	if p := s.plan(); !p.Empty() {
		t.Errorf("steps are left: %v", p.Steps)
	}
}

func TestApplyNamesWhoBlocks(t *testing.T) {
	s := newStore(t, few)
	other := s.as2("ALTER TABLE orders ADD note text")
	err := Apply(ctx, s.admin, s.plan())
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Conflict || !strings.Contains(err.Error(), "idle in transaction") || !strings.Contains(err.Error(), "orders") {
		t.Fatalf("apply = %v; want the session that holds orders", err)
	}
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_namespace WHERE nspname = 'trefoil'"), "0")
	other()
	s.apply()
}

// A catalogue too large for one transaction is applied lens by lens.
func TestApplyLensByLens(t *testing.T) {
	s := newStore(t, few)
	inGroups := func() {
		t.Helper()
		p := s.plan()
		groups := p.groups(1)
		if len(groups) != 7 {
			t.Fatalf("%d transactions, want one for what is shared and one for each of six lenses", len(groups))
		}
		for i, steps := range groups {
			if err := applyGroup(ctx, s.admin, p, steps, i == 0); err != nil {
				t.Fatal(err)
			}
		}
		if p := s.plan(); !p.Empty() || len(p.Drift) > 0 {
			t.Errorf("afterwards there is something to do: %v, drift %v", p.Steps, p.Drift)
		}
	}
	inGroups()
	gate := s.gate()
	_, c := s.session(gate, Bulk)
	want(t, rows(t, c, "SELECT count(*) FROM users"), "3")
	s.exec("ALTER TABLE users ADD nickname text")
	users := s.ds.Table("users")
	users.Columns = append(users.Columns, catalog.Column{Name: "nickname", Category: catalog.Identity, Mask: catalog.Hide, Clear: true})
	p := s.plan()
	if err := applyGroup(ctx, s.admin, p, p.groups(1)[0], true); err != nil { // and then the operator's machine fails
		t.Fatal(err)
	}
	if _, err := Fingerprint(ctx, gate, "clips", Masked, Bulk); err != nil {
		t.Errorf("the lenses in force, half way: %v", err)
	}
	if err := Apply(ctx, s.admin, s.plan()); err != nil {
		t.Fatal(err)
	}
	_, c = s.session(gate, Bulk)
	want(t, rows(t, c, "SELECT nickname FROM users WHERE id = 1"), "NULL")
}

// as2 leaves a transaction open in which sql was run; the result ends it.
func (s *testStore) as2(sql string) (end func()) {
	conn := s.connect()
	tx, err := conn.Begin(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, sql); err != nil {
		s.t.Fatal(err)
	}
	return func() { tx.Rollback(ctx) }
}

func TestAPlanThatTheStoreOvertookIsRefused(t *testing.T) {
	s := newStore(t, few)
	p := s.plan()
	s.exec("ALTER TABLE videos ALTER COLUMN seconds TYPE bigint")
	if err := Apply(ctx, s.admin, p); err == nil || !strings.Contains(err.Error(), "have changed since the plan") {
		t.Errorf("apply = %v", err)
	}
}

func TestProblemsAndReport(t *testing.T) {
	s := newStore(t, few, "CREATE TABLE staff_notes(id int); ALTER TABLE users ADD password_hash text; ALTER TABLE users DROP COLUMN bio; DROP INDEX orders_user_id_idx")
	p := s.plan()
	r := p.Report
	want(t, r.UnclassifiedTables, "staff_notes")
	want(t, r.UnclassifiedColumns, "users.password_hash")
	want(t, r.MissingColumns, "users.bio")
	want(t, r.MissingIndexes, "orders.user_id")
	want(t, p.Problems, "column users.bio is in the catalogue and not in the store")
	if r.Clean() || Apply(ctx, s.admin, p) == nil {
		t.Error("a catalogue that does not fit the store was applied")
	}
}

// Two datasets in one database, and the same dataset in two databases of one
// cluster, do not disturb each other.
func TestNeighbours(t *testing.T) {
	a := newStore(t, few, "CREATE TABLE members(id uuid PRIMARY KEY, email text); INSERT INTO members VALUES ('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'x@y.org')")
	b := newStore(t, few)
	a.apply()
	b.apply()
	c, err := catalog.Parse("c", []byte(`
zones: { eu: { residents: [IE], sites: { s: { country: IE, store: s } } } }
datasets: { club: { zone: eu, sites: [s], tables: { members: { subject: id, columns: { id: subject, email: contact/email } } } } }
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(ctx, a.admin, c.Dataset("club"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Apply(ctx, a.admin, p); err != nil {
		t.Fatal(err)
	}
	gate := a.gate()
	for _, d := range []string{"clips", "club"} {
		if _, err := Fingerprint(ctx, gate, d, Masked, Case); err != nil {
			t.Errorf("%s beside the other: %v", d, err)
		}
	}
	if !a.plan().Empty() || !b.plan().Empty() {
		t.Error("the neighbour left something to do")
	}
	oa, ca := a.session(gate, Bulk)
	want(t, rows(t, ca, "SELECT count(*) FROM users"), "3")
	u := strings.Replace(a.dsn, dbName(a.dsn), dbName(b.dsn), 1)
	if conn, err := connectAs(u, oa.Role, secret); err == nil {
		conn.Close(ctx)
		t.Error("a session of one database may log in to the other")
	}
	if err := Drop(ctx, a.admin, "club", DropOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := Drop(ctx, b.admin, "clips", DropOptions{Unfence: true}); err != nil {
		t.Fatal(err)
	}
	want(t, rows(t, ca, "SELECT count(*) FROM users"), "3")
	if _, err := Fingerprint(ctx, gate, "clips", Masked, Bulk); err != nil {
		t.Error(err)
	}
}
