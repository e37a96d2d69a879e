package lens

import (
	"fmt"
	"sync"
	"testing"
)

func TestSweepTakesOnlyItsOwnLeftovers(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	open := func(name string, seq uint64) string {
		o, err := OpenSession(ctx, gate, Session{Gate: name, Seq: seq, Lens: s.lens(Masked, Case), Grant: seq, Verifier: verifier(secret), Subjects: []string{"1"}})
		if err != nil {
			t.Fatal(err)
		}
		return o.Role
	}
	left, kept, live, other, sister := open("a", 1), open("a", 2), open("a", 3), open("b", 1), open("a-1", 1)
	conn := s.as(live, secret)
	got, err := Sweep(ctx, gate, "a", kept)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, left)
	want(t, rows(t, s.admin, "SELECT rolname FROM pg_roles WHERE rolname ~ '^trefoil_s_' ORDER BY 1"), sister, kept, live, other)
	want(t, rows(t, conn, "SELECT id FROM users"), "1")
	want(t, rows(t, s.admin, "SELECT DISTINCT grant_id FROM trefoil.scope ORDER BY 1"), "1", "2", "3") // grant 1 is b's as well
	if _, err := Sweep(ctx, gate, "a"); err != nil {
		t.Fatal(err)
	}
	want(t, rows(t, s.admin, "SELECT rolname FROM pg_roles WHERE rolname ~ '^trefoil_s_' ORDER BY 1"), sister, live, other)
}

// A session may change its own defaults, which would make its role undroppable;
// closing must still leave nothing.
func TestCloseDropsWhatTheSessionMade(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	o, c := s.session(gate, Bulk)
	for _, sql := range []string{"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "ALTER ROLE CURRENT_USER SET work_mem = '1MB'"} {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := CloseSession(ctx, gate, o.Role); err != nil {
		t.Fatal(err)
	}
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_roles WHERE rolname = '"+o.Role+"'"), "0")
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_default_acl"), "0")
	if err := CloseSession(ctx, gate, "postgres"); err != nil {
		t.Fatal(err)
	}
	want(t, rows(t, s.admin, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'postgres'"), "t")
}

// Sessions of one grant open and close at the same time; whoever is open always
// finds the scope.
func TestSessionsOfOneGrantAtOnce(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	lens := s.lens(Masked, Case)
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for w := range 4 {
		gate := s.gate()
		wg.Go(func() {
			for i := range 10 {
				o, err := OpenSession(ctx, gate, Session{Gate: fmt.Sprintf("w%d", w), Seq: uint64(i), Lens: lens,
					Grant: 7, Verifier: verifier(secret), Subjects: []string{"1", "3"}})
				if err != nil {
					errs <- err
					return
				}
				conn, err := connectAs(s.dsn, o.Role, secret)
				if err != nil {
					errs <- err
					return
				}
				got, err := query(conn, "SELECT id FROM users ORDER BY id")
				conn.Close(ctx)
				if err == nil && len(got) != 2 {
					err = fmt.Errorf("%s sees %v", o.Role, got)
				}
				if err == nil {
					err = CloseSession(ctx, gate, o.Role)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	want(t, rows(t, s.admin, "SELECT (SELECT count(*) FROM trefoil.session), (SELECT count(*) FROM trefoil.scope)"), "0|0")
}

func TestVerifierRefusesWhatAPersonWouldChoose(t *testing.T) {
	if _, err := Verifier("correct horse"); err == nil {
		t.Error("a short password was stored without stretching")
	}
	a, b := verifier(secret), verifier(secret)
	if a == b {
		t.Error("two verifiers share their salt")
	}
}
