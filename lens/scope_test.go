package lens

import (
	"fmt"
	"strings"
	"testing"
)

func TestBulkShowsEveryRowMasked(t *testing.T) {
	s := newStore(t, few, "ALTER TABLE users ADD password_hash text DEFAULT 'hash'; CREATE TABLE staff_notes(id int)")
	s.apply()
	_, c := s.session(s.gate(), Bulk)
	want(t, rows(t, c, "SELECT * FROM users ORDER BY id"),
		"1|a.|A. B.|a***@***|***67|1988-01-01|NO|[up to 20 characters]|2024-01-05 00:00:00+00",
		"2|l.|L. W.|l***@***|***67|2001-01-01|IE|NULL|2024-02-05 00:00:00+00",
		"3|n.|N. L.|n***@***|NULL|NULL|NO||2024-03-05 00:00:00+00")
	want(t, rows(t, c, "SELECT id, advertising_id, last_ip FROM devices ORDER BY id"), "11|NULL|203.0.113.0/24", "12|NULL|2001:db8:1::/48")
	want(t, rows(t, c, "SELECT id, sender_id, recipient_id, body FROM messages WHERE id < 23 ORDER BY id"), "21|1|2|[up to 10 characters]", "22|3|1|[up to 10 characters]")
	want(t, rows(t, c, "SELECT amount_cents, ship_name, ship_address, card_last4 FROM orders WHERE id = 31"), "1999|A. B.|NULL|NULL")
	want(t, rows(t, c, "SELECT u.handle, count(*) FROM users u JOIN messages m ON m.sender_id = u.id GROUP BY 1 ORDER BY 1"), "a.|2", "l.|1", "n.|2")
}

func TestCaseShowsOnlyItsSubjects(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	seq++
	grant := seq
	_, c := s.sessionOf(s.gate(), grant, Masked, Case, "1")
	p := func(key string) string {
		return Pseudonym(s.ds, "int", grantKey(grant), key)
	}
	want(t, rows(t, c, "SELECT id, handle FROM users"), "1|a.")
	want(t, rows(t, c, "SELECT id FROM devices"), "11")
	want(t, rows(t, c, "SELECT id FROM orders"), "31")
	want(t, rows(t, c, "SELECT code FROM countries ORDER BY 1"), "IE", "NO")
	want(t, rows(t, c, "SELECT id, sender_id, recipient_id FROM messages ORDER BY id"),
		"21|1|"+p("2"), "22|"+p("3")+"|1", "24|1|1", "25|NULL|1")
	want(t, rows(t, c, "SELECT count(*) FROM messages WHERE id IN (23, 26)"), "0")
	if !strings.HasPrefix(p("2"), "-") || p("2") == p("3") {
		t.Errorf("pseudonyms %s and %s", p("2"), p("3"))
	}
	if got := rows(t, c, "SELECT query_to_xml('SELECT * FROM messages', true, false, '')::text"); strings.Contains(got[0], "hidden") {
		t.Error("a row outside the case was seen")
	}
}

func TestTwoSessionsOfOneGrantAndOneOfAnother(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	seq++
	grant := seq
	a, ca := s.sessionOf(gate, grant, Masked, Case, "1", "2")
	b, cb := s.sessionOf(gate, grant, Masked, Case, "2", "1")
	_, cc := s.session(gate, Case, "3")
	for _, c := range []Querier{ca, cb} {
		want(t, rows(t, c, "SELECT id, sender_id, recipient_id FROM messages WHERE id IN (21, 24) ORDER BY id"), "21|1|2", "24|1|1")
	}
	want(t, rows(t, cc, "SELECT id FROM users"), "3")
	if err := CloseSession(ctx, gate, a.Role); err != nil {
		t.Fatal(err)
	}
	if _, err := query(ca, "SELECT 1"); err == nil {
		t.Error("the closed session still answers")
	}
	want(t, rows(t, cb, "SELECT id FROM users ORDER BY id"), "1", "2")
	if err := CloseSession(ctx, gate, b.Role); err != nil {
		t.Fatal(err)
	}
	want(t, rows(t, s.admin, "SELECT count(*) FROM trefoil.scope WHERE grant_id = "+fmt.Sprint(grant)), "0")
	want(t, rows(t, s.admin, "SELECT count(*) FROM trefoil.session WHERE grant_id = "+fmt.Sprint(grant)), "0")
	want(t, rows(t, s.admin, "SELECT count(*) FROM trefoil.session"), "1")
	if err := CloseSession(ctx, gate, a.Role); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestApplyTwiceIsANoOp(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	p := s.plan()
	if !p.Empty() || len(p.Fence) > 0 || len(p.Drift) > 0 {
		t.Errorf("a second plan has steps %v, fence %v, drift %v", p.Steps, p.Fence, p.Drift)
	}
	before := rows(t, s.admin, "SELECT oid, relname FROM pg_class ORDER BY 1")
	s.apply()
	want(t, rows(t, s.admin, "SELECT oid, relname FROM pg_class ORDER BY 1"), before...)
}

// fails ends a condition that fails on the rows of which it says CASE WHEN ….
const fails = " THEN 1 / (random() * 0) END IS NULL"

// A condition that mentions no column where it fails counts as leakproof, and a
// security barrier alone lets it run on rows outside the case.
func TestNoConditionReachesRowsOutsideTheCase(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	for _, lens := range []string{Clear, Masked, Pseudonymous} {
		seq++
		_, c := s.sessionOf(s.gate(), seq, lens, Case, "1")
		for _, sql := range []string{
			"SELECT FROM users WHERE CASE WHEN country = 'IE'" + fails,
			"SELECT FROM users WHERE CASE WHEN email > 'liam'" + fails,
			"SELECT FROM users u JOIN devices d ON d.user_id = u.id WHERE CASE WHEN d.id = 12" + fails,
			"SELECT FROM messages WHERE CASE WHEN id = 23" + fails, // a union of paths
			"SELECT FROM orders o, LATERAL (SELECT CASE WHEN o.id = 32 THEN 1 / (random() * 0) END AS x) l WHERE x IS NULL",
		} {
			if _, err := query(c, sql); err != nil {
				t.Errorf("%s: %s: %v", lens, sql, err)
			}
		}
		if _, err := query(c, "SELECT FROM orders WHERE CASE WHEN id = 31"+fails); err == nil {
			t.Errorf("%s: the condition does not fail on a row of the case, so the test shows nothing", lens)
		}
	}
}
