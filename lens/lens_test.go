package lens

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

var cluster *pgcluster.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &cluster)) }

var ctx = context.Background()

// clips is the schema of the example catalogue with three users: 1 and 2 write
// to each other and to 3.
const clips = `
CREATE TABLE countries(code text PRIMARY KEY, name text);
CREATE TABLE users(id bigint PRIMARY KEY, handle text UNIQUE, full_name text, email text, phone text, born date,
	country text REFERENCES countries, bio text, created_at timestamptz);
CREATE TABLE devices(id bigint PRIMARY KEY, user_id bigint REFERENCES users, platform text, model text, advertising_id uuid, last_ip inet, created_at timestamptz);
CREATE TABLE signins(id bigint PRIMARY KEY, user_id bigint REFERENCES users, device_id bigint REFERENCES devices, at timestamptz, ip inet,
	lat double precision, lon double precision, ok boolean);
CREATE TABLE videos(id bigint PRIMARY KEY, user_id bigint REFERENCES users, title text, description text, uploaded_at timestamptz,
	lat double precision, lon double precision, seconds int);
CREATE TABLE views(id bigint PRIMARY KEY, user_id bigint REFERENCES users, video_id bigint REFERENCES videos, at timestamptz, watched_ms int);
CREATE TABLE messages(id bigint PRIMARY KEY, sender_id bigint REFERENCES users, recipient_id bigint REFERENCES users, at timestamptz, body text);
CREATE TABLE orders(id bigint PRIMARY KEY, user_id bigint REFERENCES users, at timestamptz, amount_cents bigint, currency text,
	ship_name text, ship_address text, card_last4 text);
CREATE INDEX ON devices(user_id); CREATE INDEX ON signins(user_id, at); CREATE INDEX ON videos(user_id); CREATE INDEX ON views(user_id, at);
CREATE INDEX ON views(video_id); CREATE INDEX ON messages(sender_id); CREATE INDEX ON messages(recipient_id); CREATE INDEX ON orders(user_id);
`

const few = `
INSERT INTO countries VALUES ('IE', 'Ireland'), ('NO', 'Norway');
INSERT INTO users VALUES
	(1, 'anna', 'Anna Karin Berg', 'anna.berg@example.no', '+47 912 34 567', '1988-07-14', 'NO', 'I film boats.', '2024-01-05'),
	(2, 'liam', 'Liam Walsh', 'liam@walsh.ie', '+353 85 123 4567', '2001-02-28', 'IE', NULL, '2024-02-05'),
	(3, 'nora', 'Nora Lie', 'nora@example.no', NULL, NULL, 'NO', '', '2024-03-05');
INSERT INTO devices VALUES (11, 1, 'ios', 'X', 'a81bc81b-dead-4e5d-abff-90865d1e13b1', '203.0.113.77', now()), (12, 3, 'ios', 'Y', NULL, '2001:db8:1:2::9', now());
INSERT INTO messages VALUES (21, 1, 2, '2024-05-01', 'hello'), (22, 3, 1, '2024-05-02', 'hi'), (23, 2, 3, '2024-05-03', 'hidden'),
	(24, 1, 1, '2024-05-04', 'note to self'), (25, NULL, 1, '2024-05-05', 'system'), (26, 3, NULL, '2024-05-05', 'void');
INSERT INTO orders VALUES (31, 1, now(), 1999, 'NOK', 'Anna Berg', 'Storgata 1', '4242'), (32, 2, now(), 500, 'EUR', 'L Walsh', 'Main St', '1111');
`

// store is a database with the clips tables and the connection of its superuser.
type testStore struct {
	t     testing.TB
	dsn   string
	admin *pgx.Conn
	ds    *catalog.Dataset
}

func newStore(t testing.TB, sql ...string) *testStore {
	t.Helper()
	src, err := os.ReadFile("../examples/clips/catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Parse("catalog.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	s := &testStore{t: t, dsn: pgtest.DB(t, cluster), ds: c.Dataset("clips")}
	s.admin = pgtest.Connect(t, s.dsn)
	// Roles outlive the database: what a test leaves would be what the next finds.
	t.Cleanup(func() {
		if err := Drop(ctx, s.admin, s.ds.Name, DropOptions{Sessions: true, Unfence: true}); err != nil {
			t.Error(err)
		}
	})
	s.exec(clips)
	for _, q := range sql {
		s.exec(q)
	}
	return s
}

func (s *testStore) exec(sql string) {
	s.t.Helper()
	if _, err := s.admin.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		s.t.Fatalf("%s: %v", firstLine(sql), err)
	}
}

const (
	gatePassword = "gate-secret-of-forty-random-characters"
	secret       = "session-secret-of-forty-random-chars"
)

// A verifier has a salt of its own, and another one would be another password.
var gateVerifier = verifier(gatePassword)

func (s *testStore) plan() *Plan {
	s.t.Helper()
	p, err := NewPlan(ctx, s.admin, s.ds, Options{GateVerifier: gateVerifier})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *testStore) apply() {
	s.t.Helper()
	if err := Apply(ctx, s.admin, s.plan()); err != nil {
		s.t.Fatal(err)
	}
}

// as connects as a role with a password.
func (s *testStore) as(role, password string) *pgx.Conn {
	s.t.Helper()
	u, err := url.Parse(s.dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return pgtest.Connect(s.t, u.String())
}

func (s *testStore) gate() *pgx.Conn { return s.as("trefoil_gate", gatePassword) }

var seq uint64 = 100

// lens compiles a lens of the dataset.
func (s *testStore) lens(name, scope string) *Compiled {
	s.t.Helper()
	all, problems, err := Compile(ctx, s.admin, s.ds)
	if err != nil || len(problems) > 0 {
		s.t.Fatal(problems, err)
	}
	return Find(all, name, scope)
}

// session opens a session of the masked lens and connects as its role.
func (s *testStore) session(gate *pgx.Conn, scope string, subjects ...string) (Opened, *pgx.Conn) {
	s.t.Helper()
	seq++
	return s.sessionOf(gate, seq, Masked, scope, subjects...)
}

func (s *testStore) sessionOf(gate *pgx.Conn, grant uint64, lens, scope string, subjects ...string) (Opened, *pgx.Conn) {
	s.t.Helper()
	seq++
	o, err := OpenSession(ctx, gate, Session{Gate: "eu-1", Seq: seq, Lens: s.lens(lens, scope), Grant: grant,
		Verifier: verifier(secret), Subjects: subjects, Key: grantKey(grant)})
	if err != nil {
		s.t.Fatal(err)
	}
	return o, s.as(o.Role, secret)
}

// grantKey is the pseudonym key of a test's grant.
func grantKey(grant uint64) [32]byte { return sha256.Sum256([]byte(fmt.Sprint(grant))) }

// numbers gives the keys 1 to n.
func numbers(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprint(i+1))
	}
	return keys
}

// verifier is Verifier of a secret that a test chose long enough.
func verifier(secret string) string {
	v, err := Verifier(secret)
	if err != nil {
		panic(err)
	}
	return v
}

// rows gives each row as its values joined by |.
func rows(t testing.TB, q Querier, sql string, args ...any) []string {
	t.Helper()
	list, err := query(q, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return list
}

func query(q Querier, sql string, args ...any) ([]string, error) {
	r, err := q.Query(ctx, sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []string
	for r.Next() {
		var parts []string
		for _, v := range r.RawValues() {
			if v == nil {
				parts = append(parts, "NULL")
			} else {
				parts = append(parts, string(v))
			}
		}
		out = append(out, strings.Join(parts, "|"))
	}
	return out, r.Err()
}

func want(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (s *testStore) connect() *pgx.Conn { return pgtest.Connect(s.t, s.dsn) }

// connectAs tries to log in.
func connectAs(dsn, role, password string) (*pgx.Conn, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	u.User = url.UserPassword(role, password)
	return pgx.Connect(ctx, u.String())
}

func dbName(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
