package lens

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func (s *testStore) service(gate Querier, grant uint64, secret string, subjects ...string) Opened {
	s.t.Helper()
	o, err := OpenSession(ctx, gate, Session{Gate: "eu-1", Service: "replies", Limit: 3, Lens: s.lens(Masked, Case), Grant: grant, Verifier: verifier(secret), Subjects: subjects})
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func TestAServiceHasOneRoleForEachGrant(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	stands := func() string {
		t.Helper()
		p, err := Fingerprint(ctx, gate, "clips", Masked, Case)
		if err != nil {
			t.Fatal(err)
		}
		stamp, err := readStamp(ctx, gate, "clips", Masked, Case)
		if err != nil {
			t.Fatal(err)
		}
		return p.Sum() + " " + stamp
	}
	before := stands()
	const old, fresh = "the-secret-of-the-first-making", "the-secret-of-the-second-making"
	one := s.service(gate, 7, old, "1")
	two := s.service(gate, 8, old, "3")
	if !strings.HasPrefix(one.Role, "trefoil_f_replies_") || one.Role == two.Role || one.Schema != two.Schema {
		t.Fatalf("%+v and %+v", one, two)
	}
	a, b := s.as(one.Role, old), s.as(one.Role, old)
	want(t, rows(t, a, "SELECT id FROM users"), "1")
	want(t, rows(t, b, "SELECT id FROM users"), "1")
	want(t, rows(t, s.as(two.Role, old), "SELECT id FROM users"), "3")
	want(t, rows(t, s.admin, "SELECT rolconnlimit FROM pg_roles WHERE rolname = '"+one.Role+"'"), "3")
	if after := stands(); after != before {
		t.Errorf("the roles of services change what stands of the lens: %s, was %s", after, before)
	}

	// One session leaves, the other stays; nobody else's backend can be ended so.
	pid := rows(t, a, "SELECT pg_backend_pid()")[0]
	var stranger uint32
	if err := s.admin.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&stranger); err != nil {
		t.Fatal(err)
	}
	var leaving uint32
	fmt.Sscan(pid, &leaving)
	for _, p := range []uint32{stranger, leaving, leaving} {
		if err := LeaveService(ctx, gate, one.Role, p); err != nil {
			t.Fatal(err)
		}
	}
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+one.Role+"'"), "1")
	want(t, rows(t, b, "SELECT id FROM users"), "1")

	// Made again, as after a crash of the gate: the old secret opens nothing, and
	// whoever came with it is gone.
	again := s.service(gate, 7, fresh, "1")
	if again.Role != one.Role {
		t.Errorf("%s, was %s", again.Role, one.Role)
	}
	if _, err := query(b, "SELECT 1"); err == nil {
		t.Error("a session goes on under the old secret")
	}
	if _, err := connectAs(s.dsn, one.Role, old); err == nil {
		t.Error("the old secret opens")
	}
	c := s.as(again.Role, fresh)
	want(t, rows(t, c, "SELECT id FROM users"), "1")

	// The sweep leaves a role that is kept or has a backend.
	if got, err := Sweep(ctx, gate, "eu-1", two.Role); err != nil || len(got) > 0 {
		t.Errorf("swept %v, %v", got, err)
	}
	if err := CloseSession(ctx, gate, two.Role); err != nil {
		t.Fatal(err)
	}
	c.Close(ctx)
	for begun := time.Now(); ; {
		got, err := Sweep(ctx, gate, "eu-1")
		if err != nil || time.Since(begun) > 20*time.Second {
			t.Fatalf("swept %v, %v", got, err)
		}
		if len(got) > 0 {
			want(t, got, one.Role)
			break
		}
	}
	want(t, rows(t, s.admin, "SELECT (SELECT count(*) FROM trefoil.session), (SELECT count(*) FROM trefoil.scope), (SELECT count(*) FROM pg_roles WHERE rolname ~ '^trefoil_f_')"), "0|0|0")

	for name, bad := range map[string]Session{
		"limit":   {Gate: "eu-1", Service: "replies", Limit: 0},
		"gate":    {Gate: "EU 1", Service: "replies", Limit: 1},
		"subject": {Gate: "eu-1", Service: "replies", Limit: 1, Subjects: []string{"1", "1; DROP"}},
	} {
		bad.Lens, bad.Grant, bad.Verifier = s.lens(Masked, Case), 9, verifier(old)
		if bad.Subjects == nil {
			bad.Subjects = []string{"1"}
		}
		if o, err := OpenSession(ctx, gate, bad); err == nil {
			t.Errorf("%s: %+v", name, o)
		}
	}
	denied(t, gate, "SELECT trefoil.role_open('postgres', 1, 'eu-1', 'x', 1, '', NULL, NULL, NULL)")
}

// What sessions of one role can do to each other: before the fence all of it,
// behind it nothing.
func TestSessionsOfOneRoleAreApart(t *testing.T) {
	s := newStore(t, few)
	s.exec("CREATE ROLE shared LOGIN PASSWORD 's'")
	probes := []string{
		"SELECT query FROM pg_stat_activity WHERE pid = PID AND query ~ 'whisper'",
		"SELECT 1 FROM pg_stat_get_activity(PID)",
		"SELECT 1 FROM pg_stat_get_backend_idset() b WHERE pg_stat_get_backend_activity(b) ~ 'whisper'",
		"SELECT pg_try_advisory_lock(77)",
		"SELECT 1 FROM pg_locks WHERE pid = PID",
		"SELECT pg_cancel_backend(PID)",
		"SELECT pg_terminate_backend(PID)",
	}
	try := func(role, password string, behind bool) {
		t.Helper()
		a, b := s.as(role, password), s.as(role, password)
		pid := rows(t, b, "SELECT pg_backend_pid()")[0]
		want(t, rows(t, b, "SELECT 'whisper'"), "whisper")
		for _, sql := range probes {
			sql = strings.ReplaceAll(sql, "PID", pid)
			if behind {
				denied(t, a, sql)
			} else if got, err := query(a, sql); err != nil || len(got) == 0 && !strings.Contains(sql, "pg_locks") {
				t.Errorf("without a fence %s gives %v, %v: the probe shows nothing", sql, got, err)
			}
		}
		if _, err := query(b, "SELECT 1"); (err == nil) != behind {
			t.Errorf("behind the fence: %v; the other session: %v", behind, err)
		}
	}
	try("shared", "s", false)
	s.apply()
	gate := s.gate()
	try(s.service(gate, 7, secret, "1").Role, secret, true)
}
