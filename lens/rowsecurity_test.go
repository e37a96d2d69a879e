package lens

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// abroad adds a person who does not live in the zone, with rows of every kind,
// and roles of the operator's: app reads and writes, backup may pass by.
const abroad = `
INSERT INTO countries VALUES ('US', 'United States');
INSERT INTO users VALUES (4, 'drew', 'Drew Poe', 'drew@example.com', NULL, '1990-01-01', 'US', NULL, '2024-04-05'), (5, 'kim', 'Kim', NULL, NULL, NULL, NULL, NULL, '2024-04-06');
INSERT INTO devices VALUES (14, 4, 'ios', 'Z', NULL, NULL, now()), (15, NULL, 'ios', 'Z', NULL, NULL, now());
INSERT INTO messages VALUES (27, 1, 4, '2024-05-06', 'to America'), (28, 4, 1, '2024-05-06', 'from America'), (29, NULL, NULL, now(), 'nobody');
INSERT INTO orders VALUES (34, 4, now(), 1, 'USD', 'Drew', 'Elm St', '2222');
DROP ROLE IF EXISTS app; DROP ROLE IF EXISTS backup; DROP ROLE IF EXISTS late;
CREATE ROLE app; CREATE ROLE backup BYPASSRLS; CREATE ROLE late;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO app; GRANT SELECT ON ALL TABLES IN SCHEMA public TO backup;
`

// withRows gives the example catalogue rows: rls.
func withRows(t testing.TB, edit ...string) *catalog.Dataset {
	t.Helper()
	src, err := os.ReadFile("../examples/clips/catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(src), "  clips:\n", "  clips:\n    rows: rls\n", 1)
	text = strings.NewReplacer(edit...).Replace(text)
	c, err := catalog.Parse("catalog.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c.Dataset("clips")
}

func newSecured(t testing.TB, sql ...string) *testStore {
	t.Helper()
	s := newStore(t, append([]string{few, abroad}, sql...)...)
	s.ds = withRows(t)
	t.Cleanup(func() { s.exec("DROP OWNED BY app, backup, late; DROP ROLE app, backup, late") })
	return s
}

// policies is all that a database has of row security.
func (s *testStore) policies() string {
	return strings.Join(append(rows(s.t, s.admin, "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"),
		rows(s.t, s.admin, "SELECT p::text FROM pg_policy p ORDER BY polrelid, polname")...), "\n")
}

func TestRowSecurityShowsResidentsOnly(t *testing.T) {
	s := newSecured(t)
	s.apply()
	if p := s.plan(); !p.Empty() {
		t.Errorf("a second plan has steps: %v", p.Steps)
	}
	gate := s.gate()
	_, bulk := s.session(gate, Bulk)
	want(t, rows(t, bulk, "SELECT id FROM users ORDER BY 1"), "1", "2", "3")
	want(t, rows(t, bulk, "SELECT id FROM devices ORDER BY 1"), "11", "12")
	want(t, rows(t, bulk, "SELECT id FROM orders ORDER BY 1"), "31", "32")
	want(t, rows(t, bulk, "SELECT id FROM messages ORDER BY 1"), "21", "22", "23", "24", "25", "26")
	want(t, rows(t, bulk, "SELECT count(*) FROM countries"), "3")
	_, pseudo := s.sessionOf(gate, 9001, Pseudonymous, Bulk)
	want(t, rows(t, pseudo, "SELECT count(*), count(DISTINCT sender_id) FROM messages"), "6|3")
	_, one := s.session(gate, Case, "1", "4")
	want(t, rows(t, one, "SELECT id FROM users ORDER BY 1"), "1")
	want(t, rows(t, one, "SELECT id FROM messages ORDER BY 1"), "21", "22", "24", "25")

	// Turning row security off for oneself gives an error and no row.
	if _, err := bulk.Exec(ctx, "SET row_security = off"); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"users", "devices", "messages", "orders"} {
		got, err := query(bulk, "SELECT id FROM "+table)
		var pg *pgconn.PgError
		if len(got) > 0 || !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s with row_security off: %v, %v; want no row and 42501", table, got, err)
		}
	}
}

// As in a case, with row security in place of a barrier: PostgreSQL runs what it
// takes for leakproof before the policy when that costs less.
func TestNoConditionReachesRowsOutsideTheZone(t *testing.T) {
	s := newSecured(t)
	s.apply()
	for _, lens := range []string{Clear, Masked, Pseudonymous} {
		seq++
		_, c := s.sessionOf(s.gate(), seq, lens, Bulk)
		for _, sql := range []string{
			"SELECT FROM users WHERE CASE WHEN country = 'US'" + fails,
			"SELECT FROM orders WHERE CASE WHEN id = 34" + fails,
			"SELECT FROM messages WHERE CASE WHEN id IN (27, 28, 29)" + fails,
		} {
			if _, err := query(c, sql); err != nil {
				t.Errorf("%s: %s: %v", lens, sql, err)
			}
		}
	}
}

func TestRowSecurityLeavesTheOperatorsRolesAlone(t *testing.T) {
	s := newSecured(t)
	s.apply()
	p := s.plan()
	text := strings.Join(p.Warnings, "\n")
	for _, w := range []string{"app read these tables and go on seeing every row, but pg_dump", "COPY FROM into these tables fails for app", "postgres, owner of the tables", "granted later"} {
		if !strings.Contains(text, w) {
			t.Errorf("the plan does not say %q:\n%s", w, text)
		}
	}
	if strings.Contains(text, "backup read") || strings.Contains(text, "app, backup") {
		t.Errorf("backup has BYPASSRLS and is named:\n%s", text)
	}
	s.exec("GRANT SELECT, UPDATE ON users TO late")
	for _, c := range []struct{ role, sql, want string }{
		{"app", "SELECT count(*) FROM users", "5"},
		{"late", "SELECT count(*) FROM users", "5"}, // granted afterwards
		{"late", "UPDATE users SET bio = 'x' WHERE id = 4 RETURNING id", "4"},
		{"app", "INSERT INTO devices VALUES (99, 4) RETURNING id", "99"},
		{"app", "SET LOCAL row_security = off; SELECT count(*) FROM users", "42501"}, // as pg_dump does
		{"backup", "SET LOCAL row_security = off; SELECT count(*) FROM users", "5"},
		{"app", "COPY users FROM STDIN", "0A000"},
	} {
		tx, err := s.admin.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+c.role); err != nil {
			t.Fatal(err)
		}
		var got string
		switch results, err := tx.Conn().PgConn().Exec(ctx, c.sql).ReadAll(); {
		case err == nil:
			got = string(results[len(results)-1].Rows[0][0])
		default:
			var pg *pgconn.PgError
			if errors.As(err, &pg) {
				got = pg.Code
			}
		}
		if got != c.want {
			t.Errorf("%s: %s gives %s, want %s", c.role, c.sql, got, c.want)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRowSecurityRefusesWhatItWouldBreak(t *testing.T) {
	s := newSecured(t)
	for _, c := range []struct{ change, undo, want string }{
		{"ALTER ROLE app SET row_security = off", "ALTER ROLE app RESET row_security", "role app is set to row_security = off"},
		{"CREATE POLICY asleep ON users AS RESTRICTIVE USING (false)", "DROP POLICY asleep ON users", "table users has restrictive policies (asleep) that sleep"},
		{"ALTER TABLE orders RENAME TO o; CREATE VIEW orders AS SELECT * FROM o", "DROP VIEW orders; ALTER TABLE o RENAME TO orders", "orders is no table"},
	} {
		s.exec(c.change)
		p := s.plan()
		if !strings.Contains(strings.Join(p.Problems, "\n"), c.want) {
			t.Errorf("%s: problems = %q, want %s", c.change, p.Problems, c.want)
		}
		if err := Apply(ctx, s.admin, p); err == nil {
			t.Errorf("%s: it was applied", c.change)
		}
		s.exec(c.undo)
	}
	s.apply()
}

func TestDropRestoresRowSecurity(t *testing.T) {
	s := newSecured(t, "ALTER TABLE devices ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON devices TO app USING (platform = 'ios'); ALTER TABLE orders FORCE ROW LEVEL SECURITY; CREATE POLICY idle ON orders USING (false)")
	before := s.policies()
	s.apply()
	_, bulk := s.session(s.gate(), Bulk)
	want(t, rows(t, bulk, "SELECT id FROM devices ORDER BY 1"), "11", "12")
	s.exec("CREATE POLICY added ON users AS RESTRICTIVE TO app USING (id <> 4)")
	var e *fault.Error
	if err := Drop(ctx, s.admin, "clips", DropOptions{Sessions: true}); !errors.As(err, &e) || e.Kind != fault.Conflict || !strings.Contains(e.Message, "added") {
		t.Errorf("a drop that would undo the operator's policy: %v", err)
	}
	s.exec("DROP POLICY added ON users")
	if err := Drop(ctx, s.admin, "clips", DropOptions{Sessions: true}); err != nil {
		t.Fatal(err)
	}
	if after := s.policies(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestRowSecurityIsTakenBackByApply(t *testing.T) {
	s := newSecured(t)
	plain := *s.ds
	plain.RowSecurity = false
	before := s.policies()
	s.apply()
	o, bulk := s.session(s.gate(), Bulk)
	s.ds = &plain
	if p := s.plan(); !strings.Contains(strings.Join(p.Problems, "\n"), "open sessions, which would see more rows") {
		t.Errorf("with an open session: problems = %q", p.Problems)
	}
	want(t, rows(t, bulk, "SELECT count(*) FROM users"), "3")
	if err := CloseSession(ctx, s.gate(), o.Role); err != nil {
		t.Fatal(err)
	}
	s.apply()
	if after := s.policies(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	_, bulk = s.session(s.gate(), Bulk)
	want(t, rows(t, bulk, "SELECT count(*) FROM users"), "5")
}

func TestFingerprintCoversRowSecurity(t *testing.T) {
	s := newSecured(t)
	s.apply()
	gate := s.gate()
	for _, c := range []struct{ change, undo string }{
		{"ALTER TABLE users DISABLE ROW LEVEL SECURITY", ""},
		{"DROP POLICY trefoil_clips_rows ON users", ""},
		{"ALTER POLICY trefoil_clips_rows ON users USING (true)", ""},
		{"ALTER POLICY trefoil_clips_rows ON users TO app", ""},
		{"ALTER TABLE users OWNER TO VIEWER", "ALTER TABLE users OWNER TO postgres"},
		{"CREATE POLICY more ON users USING (false)", "DROP POLICY more ON users"},
	} {
		s.exec(strings.ReplaceAll(c.change, "VIEWER", ident(s.plan().viewer)))
		_, err := Fingerprint(ctx, gate, "clips", Masked, Bulk)
		var e *fault.Error
		if !errors.As(err, &e) || !contains(e.Detail, "row security of public.users was changed") {
			t.Errorf("%s: %v", c.change, err)
		}
		if c.undo != "" {
			s.exec(c.undo)
		}
		s.apply()
		if _, err := Fingerprint(ctx, gate, "clips", Masked, Bulk); err != nil {
			t.Errorf("%s: after apply: %v", c.change, err)
		}
		_, bulk := s.session(gate, Bulk)
		want(t, rows(t, bulk, "SELECT count(*) FROM users"), "3")
	}
}

func TestReleaseTakesPoliciesAlong(t *testing.T) {
	s := newSecured(t)
	s.apply()
	gate := s.gate()
	_, old := s.session(gate, Bulk)
	if _, err := Release(ctx, s.admin, s.ds, "users"); err != nil {
		t.Fatal(err)
	}
	if got, err := query(old, "SELECT id FROM devices"); err == nil { // whose policy read users
		t.Errorf("an old session reads %v without row security", got)
	}
	s.exec("ALTER TABLE users ALTER COLUMN country TYPE varchar(2)")
	s.apply()
	_, bulk := s.session(gate, Bulk)
	want(t, rows(t, bulk, "SELECT id FROM devices ORDER BY 1"), "11", "12")
	want(t, rows(t, bulk, "SELECT id FROM users ORDER BY 1"), "1", "2", "3")
}
