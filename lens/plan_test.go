package lens

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// many fills the tables so that PostgreSQL has a reason to use indexes.
const many = `
INSERT INTO countries VALUES ('IE', 'Ireland');
INSERT INTO users SELECT i, 'h' || i, 'First Last', 'u' || i || '@example.ie', '+353 1234567', '1990-05-05', 'IE', 'bio', timestamptz '2024-01-01' + i * interval '1 minute'
	FROM generate_series(1, ROWS) i;
INSERT INTO devices SELECT i, i, 'ios', 'X', NULL, '203.0.113.7', now() FROM generate_series(1, ROWS) i;
INSERT INTO videos SELECT i, 1 + i % ROWS, 't', 'd', now(), 1, 2, 3 FROM generate_series(1, ROWS) i;
INSERT INTO views SELECT i, 1 + i % ROWS, 1 + (i * 7) % ROWS, timestamptz '2024-01-01' + i * interval '1 second', i % 1000 FROM generate_series(1, 2 * ROWS) i;
INSERT INTO messages SELECT i, 1 + i % ROWS, 1 + (i * 13) % ROWS, now(), 'm' FROM generate_series(1, ROWS) i;
INSERT INTO signins SELECT i, 1 + i % ROWS, NULL, now(), '203.0.113.7', 1, 2, true FROM generate_series(1, ROWS) i;
CREATE INDEX ON users(created_at); CREATE INDEX ON views(at);
ANALYZE;
`

type explained struct {
	NodeType string      `json:"Node Type"`
	Relation string      `json:"Relation Name"`
	Plans    []explained `json:"Plans"`
}

// scans lists the sequential scans of a plan over the operator's tables.
func (e explained) scans() (list []string) {
	if e.NodeType == "Seq Scan" && e.Relation != "session" && e.Relation != "scope" && e.Relation != "pad" {
		list = append(list, e.Relation)
	}
	for _, p := range e.Plans {
		list = append(list, p.scans()...)
	}
	return list
}

// explain plans a query as the session's role would, which itself may not ask.
func (s *testStore) explain(o Opened, sql string) (explained, string) {
	s.t.Helper()
	tx, err := s.admin.Begin(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	for _, q := range []string{"SET LOCAL SESSION AUTHORIZATION " + ident(o.Role), "SET LOCAL search_path = " + ident(o.Schema)} {
		if _, err := tx.Exec(ctx, q); err != nil {
			s.t.Fatal(err)
		}
	}
	out := strings.Join(rows(s.t, tx, "EXPLAIN (FORMAT JSON) "+sql), "\n")
	var plans []struct{ Plan explained }
	if err := json.Unmarshal([]byte(out), &plans); err != nil {
		s.t.Fatal(err)
	}
	return plans[0].Plan, out
}

func TestPlansUseIndexes(t *testing.T) {
	s := newStore(t, strings.ReplaceAll(many, "ROWS", "20000"))
	s.apply()
	gate := s.gate()
	bulk, _ := s.session(gate, Bulk)
	one, _ := s.session(gate, Case, "17")
	var keys []string
	for i := range MaxSubjects {
		keys = append(keys, fmt.Sprint(1+20*i))
	}
	thousand, _ := s.session(gate, Case, keys...)
	join := "SELECT u.handle, v.at, d.seconds FROM users u JOIN views v ON v.user_id = u.id JOIN videos d ON d.id = v.video_id WHERE u.id = 17"
	for _, c := range []struct {
		o   Opened
		who string
		sql []string
	}{
		{bulk, "bulk", []string{"SELECT * FROM users WHERE id = 17", "SELECT * FROM users WHERE handle = 'h17'", "SELECT * FROM users ORDER BY created_at DESC LIMIT 10",
			"SELECT max(id) FROM users", "SELECT * FROM views WHERE user_id = 17 ORDER BY at DESC LIMIT 10", join, "SELECT * FROM messages WHERE sender_id = 17"}},
		{one, "a case of one", []string{"SELECT * FROM users", "SELECT * FROM users WHERE id = 17", "SELECT * FROM views ORDER BY at DESC LIMIT 10", "SELECT max(id) FROM views",
			"SELECT * FROM messages", "SELECT * FROM devices", join}},
		{thousand, "a case of a thousand", []string{"SELECT * FROM users WHERE id = 21", "SELECT * FROM views WHERE user_id = 21", "SELECT * FROM messages"}},
	} {
		for _, sql := range c.sql {
			switch plan, text := s.explain(c.o, sql); {
			case c.who == "bulk" && strings.Contains(sql, "handle ="): // masked, so no index can help: the counter-example
				if len(plan.scans()) == 0 {
					t.Errorf("a masked column was looked up by an index on the raw one:\n%s", text)
				}
			case len(plan.scans()) > 0:
				t.Errorf("%s: %s reads whole tables %v:\n%s", c.who, sql, plan.scans(), text)
			}
		}
	}
}

func TestPlanForPeople(t *testing.T) {
	s := newStore(t, few, leaky, "CREATE TABLE staff_notes(id int); DROP INDEX orders_user_id_idx; ALTER TABLE users ADD secret text")
	var b bytes.Buffer
	if err := s.plan().Write(&b, false); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{
		"definer function public.rewards_report(integer): EXECUTE", "(runs with its owner's rights)", "schema reports: USAGE",
		"lens masked/case, schema clips_masked_case_", ": new", "  users: the subjects of the grant", "messages: rows that name a subject of the grant",
		"contact/email", "lens pseudonymous/bulk, schema clips_pseudonymous_bulk_", "subject/pseudonym ", "subject/pseudonym, in bulk keep",
		"shown as text", "a look-up by pseudonym reads the whole table", "users.secret", "staff_notes", "orders.user_id", "PUBLIC may connect to other databases", "statements to apply",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	if strings.Index(out, "rewards_report") > strings.Index(out, "schema reports") {
		t.Error("definer functions do not come first")
	}
	if strings.Contains(out, "CREATE VIEW") {
		t.Error("statements are printed without being asked for")
	}
	b.Reset()
	if err := s.plan().Write(&b, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CREATE VIEW \"clips_pseudonymous_bulk_", "-- id bigint: subject/pseudonym, shown as text\n", "-- email text: contact/hide\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the statements do not say %q", want)
		}
	}
	s.apply()
	b.Reset()
	if err := s.plan().Write(&b, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "fence: stands") || !strings.Contains(b.String(), "nothing to do") {
		t.Errorf("after apply:\n%s", b.String())
	}
}

// TestPseudonymsAreComputedLast looks where a plan computes digests: not of
// columns that nobody asked for, and not below the sort that a LIMIT cuts.
func TestPseudonymsAreComputedLast(t *testing.T) {
	s := newStore(t, strings.ReplaceAll(many, "ROWS", "2000"))
	s.apply()
	o, _ := s.sessionOf(s.gate(), 7001, Pseudonymous, Bulk)
	verbose := func(sql string) string {
		tx, err := s.admin.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(ctx)
		for _, q := range []string{"SET LOCAL SESSION AUTHORIZATION " + ident(o.Role), "SET LOCAL search_path = " + ident(o.Schema)} {
			if _, err := tx.Exec(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
		return strings.Join(rows(t, tx, "EXPLAIN (VERBOSE, COSTS off) "+sql), "\n")
	}
	if plan := verbose("SELECT id, at FROM views WHERE watched_ms > 5 ORDER BY watched_ms LIMIT 10"); strings.Contains(plan, "sha256") {
		t.Errorf("digests that nobody asked for:\n%s", plan)
	}
	plan := verbose("SELECT user_id FROM views ORDER BY watched_ms LIMIT 10")
	_, below, sorted := strings.Cut(plan, "Sort Key")
	if above, _, _ := strings.Cut(plan, "->  Sort"); !sorted || !strings.Contains(above, "sha256") || strings.Contains(below, "sha256") {
		t.Errorf("digests of rows that the LIMIT leaves out:\n%s", plan)
	}
	if plan := verbose("SELECT max(id) FROM views"); !strings.Contains(plan, "Index") || strings.Contains(plan, "sha256") {
		t.Errorf("max:\n%s", plan)
	}
}
