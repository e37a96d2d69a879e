package pggate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

var shared *pgcluster.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &shared)) }

// world is a gate in front of a real PostgreSQL, with a desk and a log the test holds.
type world struct {
	tb    testing.TB
	dsn   string // superuser's, direct
	role  string
	addr  *net.TCPAddr
	gate  *Gate
	desk  *testDesk
	log   *testLog
	roots *x509.CertPool
	ca    string // file
	super *pgx.Conn
}

const testSecret = "k3l2m4n5p6q7rstuvwxyz234567abcde"

func newWorld(tb testing.TB, change ...func(*Config)) *world {
	tb.Helper()
	w := &world{tb: tb, dsn: shared.DSN("postgres"), log: newTestLog()}
	w.role = fmt.Sprintf("reader_%x", randomBytes(6))
	admin := w.admin()
	w.exec(admin, "CREATE ROLE "+w.role+" LOGIN PASSWORD 'direct'")
	tb.Cleanup(func() {
		w.exec(admin, "DROP OWNED BY "+w.role)
		w.exec(admin, "DROP ROLE "+w.role)
	})
	w.exec(admin, `CREATE TABLE IF NOT EXISTS people(id int PRIMARY KEY, name text NOT NULL); GRANT SELECT ON people TO PUBLIC;
		INSERT INTO people SELECT i, 'person '||i FROM generate_series(1,1000) i ON CONFLICT DO NOTHING`)
	w.desk = &testDesk{w: w}
	cert, ca := certificate(tb)
	w.roots = x509.NewCertPool()
	w.roots.AppendCertsFromPEM(ca)
	w.ca = filepath.Join(tb.TempDir(), "ca.pem")
	if err := os.WriteFile(w.ca, ca, 0o600); err != nil {
		tb.Fatal(err)
	}
	cfg := Config{
		Desk: w.desk, Log: w.log, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if w.gate, err = New(cfg); err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	w.addr = ln.Addr().(*net.TCPAddr)
	served := make(chan error, 1)
	go func() { served <- w.gate.Serve(context.Background(), ln) }()
	tb.Cleanup(func() {
		w.log.free()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := w.gate.Shutdown(ctx); err != nil {
			tb.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
	return w
}

func (w *world) exec(c *pgx.Conn, sql string) {
	w.tb.Helper()
	if _, err := c.Exec(context.Background(), sql); err != nil {
		w.tb.Fatalf("%s: %v", sql, err)
	}
}

// url is the connection string for clients of the gate.
func (w *world) url(extra string) string {
	return fmt.Sprintf("postgres://anna:%s@127.0.0.1:%d/clips?sslmode=verify-full&sslrootcert=%s%s", testSecret, w.addr.Port, w.ca, extra)
}

// connect logs in with pgx.
func (w *world) connect(extra string) *pgx.Conn {
	w.tb.Helper()
	c, err := pgx.Connect(context.Background(), w.url(extra))
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// session is the n-th session the desk has opened.
func (w *world) session(n int) *testSession {
	w.tb.Helper()
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	if n >= len(w.desk.sessions) {
		w.tb.Fatalf("only %d sessions were opened", len(w.desk.sessions))
	}
	return w.desk.sessions[n]
}

type testDesk struct {
	w         *world
	mu        sync.Mutex
	sessions  []*testSession
	logins    []Login
	strangers []string
	refuse    *fault.Error
	perLogin  func(*testSession)
}

func (d *testDesk) Lookup(user, database string) Credentials {
	c := Credentials{Salt: []byte("salt of " + user), Iterations: 4096}
	if user == "anna" && database == "clips" {
		c.Candidates = []Keys{keysOf("another secret", c, 7), keysOf(testSecret, c, 8)}
	}
	return c
}

func keysOf(secret string, c Credentials, grant uint64) Keys {
	salted, err := pbkdf2.Key(sha256.New, secret, c.Salt, c.Iterations, 32)
	if err != nil {
		panic(err)
	}
	m := func(s string) []byte { h := hmac.New(sha256.New, salted); h.Write([]byte(s)); return h.Sum(nil) }
	return Keys{StoredKey: sha256.Sum256(m("Client Key")), ServerKey: [32]byte(m("Server Key")), Grant: grant}
}

func (d *testDesk) Stranger(_ netip.AddrPort, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strangers = append(d.strangers, reason)
}

func (d *testDesk) Open(ctx context.Context, l Login) (Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logins = append(d.logins, l)
	if d.refuse != nil {
		return nil, d.refuse
	}
	cfg, err := pgconn.ParseConfig(d.w.dsn)
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Password = d.w.role, "direct"
	cfg.RuntimeParams = map[string]string{"application_name": "trefoil", "client_encoding": "UTF8"}
	for _, s := range l.Options {
		cfg.RuntimeParams[s.Name] = s.Value
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := conn.SyncConn(ctx); err != nil { // pgx must not be reading in the background
		return nil, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	s := &testSession{desk: d, log: d.w.log, ended: make(chan struct{}), closed: make(chan struct{})}
	again, err := pgconn.Construct(h)
	if err != nil {
		return nil, err
	}
	s.up = Upstream{Conn: h.Conn, Parameters: h.ParameterStatuses, Cancel: func(ctx context.Context) error {
		s.cancels.Add(1)
		return again.CancelRequest(ctx)
	}}
	d.sessions = append(d.sessions, s)
	return s, nil
}

// testSession keeps what it is told.
type testSession struct {
	desk    *testDesk
	log     *testLog
	up      Upstream
	ended   chan struct{}
	closed  chan struct{}
	cancels atomic.Int32

	mu         sync.Mutex
	cause      *fault.Error
	statements []Statement
	refused    []Statement
	results    []Result
	summary    Summary
	fail       error // Statement's next answer
	quiet      bool  // keep nothing: for benchmarks
}

func (s *testSession) Upstream() Upstream     { return s.up }
func (s *testSession) Ended() <-chan struct{} { return s.ended }

func (s *testSession) Cause() *fault.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

func (s *testSession) revoke() {
	s.mu.Lock()
	s.cause = fault.New(fault.GrantEnded, "grant g-test was revoked")
	s.mu.Unlock()
	close(s.ended)
}

func (s *testSession) Statement(st *Statement) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	if !s.quiet {
		s.statements = append(s.statements, keep(st))
	}
	return s.log.append(), nil
}

func (s *testSession) Refused(st *Statement, _ *fault.Error) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, keep(st))
	return s.log.append(), nil
}

func (s *testSession) Result(r *Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.quiet {
		s.results = append(s.results, *r)
	}
	return nil
}

func (s *testSession) Close(sum Summary) {
	s.mu.Lock()
	s.summary = sum
	s.mu.Unlock()
	close(s.closed)
}

// texts are the recorded statements, "protocol SQL [params]".
func (s *testSession) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for _, st := range s.statements {
		t := st.Protocol.String() + " " + string(st.SQL)
		if st.Protocol == ByName {
			t += string(st.Name) + "/" + string(st.Portal)
		}
		for _, p := range st.Params {
			t += fmt.Sprintf(" [%s]", p.Value)
		}
		out = append(out, t)
	}
	return out
}

func keep(s *Statement) Statement {
	c := *s
	c.SQL, c.Label, c.Name, c.Portal = bytes.Clone(s.SQL), bytes.Clone(s.Label), bytes.Clone(s.Name), bytes.Clone(s.Portal)
	c.Params = nil
	for _, p := range s.Params {
		p.Value = bytes.Clone(p.Value)
		c.Params = append(c.Params, p)
	}
	return c
}

// testLog is a log whose durability the test decides; at first all is durable at once.
type testLog struct {
	mu      sync.Mutex
	changed sync.Cond
	next    uint64
	manual  bool
	broken  bool
	durable atomic.Uint64
	waits   atomic.Int64
}

func newTestLog() *testLog { l := &testLog{}; l.changed.L = &l.mu; return l }

func (l *testLog) append() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	if !l.manual {
		l.durable.Store(l.next)
	}
	return l.next - 1
}

func (l *testLog) Durable() uint64 { return l.durable.Load() }

func (l *testLog) Wait(ctx context.Context, pos uint64) error {
	l.waits.Add(1)
	defer context.AfterFunc(ctx, func() { l.mu.Lock(); l.changed.Broadcast(); l.mu.Unlock() })()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
	for l.durable.Load() <= pos {
		if ctx.Err() != nil || l.broken {
			return errors.New("the log has stopped")
		}
		l.changed.Wait()
	}
	return nil
}

// freeze makes nothing durable any more; free makes everything so.
func (l *testLog) freeze() { l.mu.Lock(); l.manual = true; l.mu.Unlock() }
func (l *testLog) free() {
	l.mu.Lock()
	l.manual = false
	l.durable.Store(l.next)
	l.changed.Broadcast()
	l.mu.Unlock()
}

func (l *testLog) fail() { l.mu.Lock(); l.broken = true; l.changed.Broadcast(); l.mu.Unlock() }

// awaitWaiter returns once somebody has called Wait n times.
func (l *testLog) awaitWaiter(tb testing.TB, n int64) {
	tb.Helper()
	eventually(tb, "a held answer", func() bool { return l.waits.Load() >= n })
}

// eventually polls for a state that has no event of its own.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

func certificate(tb testing.TB) (tls.Certificate, []byte) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gate"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func randomBytes(n int) []byte { b := make([]byte, n); _, _ = rand.Read(b); return b }

// state is the SQLSTATE of an error from pgx.
func state(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func equal(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		tb.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func contains(tb testing.TB, text string, parts ...string) {
	tb.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			tb.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

// awaitSleep returns once a session of this world sleeps in the store.
func (w *world) awaitSleep() {
	w.tb.Helper()
	eventually(w.tb, "pg_sleep", func() bool {
		var n int
		if err := w.admin().QueryRow(context.Background(), "select count(*) from pg_stat_activity where usename=$1 and wait_event='PgSleep'", w.role).Scan(&n); err != nil {
			w.tb.Fatal(err)
		}
		return n == 1
	})
}

// admin is a superuser's connection beside the gate.
func (w *world) admin() *pgx.Conn {
	w.tb.Helper()
	if w.super == nil {
		w.super = pgtest.Connect(w.tb, w.dsn)
	}
	return w.super
}
