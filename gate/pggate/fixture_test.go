package pggate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
		Desk: w.desk, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
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
