package pggate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// dial opens a plain connection to the gate.
func (w *world) dial() net.Conn {
	w.tb.Helper()
	c, err := net.DialTCP("tcp", nil, w.addr)
	if err != nil {
		w.tb.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	w.tb.Cleanup(func() { _ = c.Close() })
	return c
}

// talk sends bytes and gives everything that comes back until the gate closes.
func talk(tb testing.TB, c net.Conn, b []byte) string {
	tb.Helper()
	if _, err := c.Write(b); err != nil {
		tb.Fatal(err)
	}
	out, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "reset") {
		tb.Fatal(err)
	}
	return string(out)
}

func request(code uint32, rest ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(rest)))
	return append(binary.BigEndian.AppendUint32(b, code), rest...)
}

// packet is a startup packet with these names and values.
func packet(version uint32, pairs ...string) []byte {
	var b []byte
	for _, p := range pairs {
		b = append(append(b, p...), 0)
	}
	return request(version, append(b, 0)...)
}

// secured is a TLS connection in which the startup packet is next.
func (w *world) secured(direct bool, protos ...string) (*tls.Conn, error) {
	c := w.dial()
	if !direct {
		if _, err := c.Write(request(codeTLS)); err != nil {
			return nil, err
		}
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil || b[0] != 'S' {
			return nil, errors.New("no S")
		}
	}
	t := tls.Client(c, &tls.Config{RootCAs: w.roots, ServerName: "127.0.0.1", NextProtos: protos})
	return t, t.Handshake()
}

func TestWrongLoginsReadAlike(t *testing.T) {
	w := newWorld(t)
	var first *pgconn.PgError
	for _, url := range []string{
		strings.Replace(w.url(""), testSecret, "wrong", 1),
		strings.Replace(w.url(""), "anna:", "nobody:", 1),
		strings.Replace(w.url(""), "/clips", "/nothing", 1),
	} {
		_, err := pgx.Connect(context.Background(), url)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "28P01" {
			t.Fatalf("got %v", err)
		}
		if first == nil {
			first = e
		}
		equal(t, "error", *e, *first)
	}
	eventually(t, "strangers", func() bool { w.desk.mu.Lock(); defer w.desk.mu.Unlock(); return len(w.desk.strangers) == 3 })
	equal(t, "strangers", w.desk.strangers, "[bad-login bad-login bad-login]")
	equal(t, "opened", len(w.desk.logins), 0)
}

func TestWithoutTLSThereIsAnswerAndEnd(t *testing.T) {
	w := newWorld(t)
	out := talk(t, w.dial(), packet(protocol30, "user", "anna", "database", "clips"))
	contains(t, out, "SFATAL", "sslmode=verify-full", "sslmode=require")
	_, errs, err := w.psql("", "-d", "dbname=clips sslmode=disable", "-c", "select 1")
	if err == nil {
		t.Error("psql got in")
	}
	contains(t, errs, "without TLS", "sslmode=require")
}

func TestGSSIsDeclinedThenTLSGoesOn(t *testing.T) {
	w := newWorld(t)
	c := w.dial()
	if _, err := c.Write(request(codeGSS)); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil || b[0] != 'N' {
		t.Fatalf("%q %v", b, err)
	}
	// A second one is out of order.
	contains(t, talk(t, c, request(codeGSS)), "no PostgreSQL startup packet")
}

func TestBytesBeforeTLSNeverCount(t *testing.T) {
	w := newWorld(t)
	// Injected behind the SSLRequest, in the same segment: a whole startup packet.
	out := talk(t, w.dial(), append(request(codeTLS), packet(protocol30, "user", "eve", "database", "clips")...))
	if !strings.HasPrefix(out, "S") || strings.Contains(out, "SCRAM") {
		t.Errorf("got %q", out)
	}
	eventually(t, "a stranger", func() bool { w.desk.mu.Lock(); defer w.desk.mu.Unlock(); return len(w.desk.strangers) == 1 })
	equal(t, "strangers", w.desk.strangers, "[tls]")
}

func TestNonsenseIsAnsweredAndClosed(t *testing.T) {
	w := newWorld(t)
	for _, b := range [][]byte{
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		request(99),
		{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0},
		{0, 0, 0, 0, 0, 3, 0, 0},
	} {
		contains(t, talk(t, w.dial(), b), "SFATAL", "C08P01")
	}
}

func TestDirectTLSNeedsALPN(t *testing.T) {
	w := newWorld(t)
	c, err := w.secured(true, alpn)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(c.ConnectionState().PeerCertificates[0].Raw)
	kind, body := sasl(t, c, scramPlus, "p=tls-server-end-point,,", sum[:])
	contains(t, string(kind)+" "+body, "R \x00\x00\x00\x0c")

	for _, protos := range [][]string{nil, {"http/1.1"}, {"h2", "postgres"}} {
		c, err := w.secured(true, protos...)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil {
			t.Errorf("direct TLS with ALPN %q was served", protos)
		}
	}
	eventually(t, "strangers", func() bool { w.desk.mu.Lock(); defer w.desk.mu.Unlock(); return len(w.desk.strangers) >= 3 })
	equal(t, "strangers", w.desk.strangers[:3], "[tls tls tls]")
}

func TestMinorVersionsAreNegotiated(t *testing.T) {
	w := newWorld(t)
	for asked, c := range map[uint32]struct{ option, want string }{
		0:    {"", ""},
		1:    {"", "\x00\x03\x00\x00\x00\x00\x00\x00"}, // reserved
		2:    {"", ""},
		3:    {"", "\x00\x03\x00\x02\x00\x00\x00\x00"},
		9999: {"_pq_.test_protocol_negotiation", "\x00\x03\x00\x02\x00\x00\x00\x01_pq_.test_protocol_negotiation\x00"}, // as libpq 19 asks
	} {
		tc, err := w.secured(false)
		if err != nil {
			t.Fatal(err)
		}
		pairs := []string{"user", "anna", "database", "clips"}
		if c.option != "" {
			pairs = append(pairs, c.option, "")
		}
		if _, err := tc.Write(packet(3<<16|asked, pairs...)); err != nil {
			t.Fatal(err)
		}
		r := &raw{tb: t, conn: tc}
		kind, body := r.next()
		if c.want != "" {
			equal(t, "message", string(kind), "v")
			equal(t, "body", []byte(body), []byte(c.want))
			kind, _ = r.next()
		}
		equal(t, "authentication follows", string(kind), "R")
		_ = tc.Close()
	}
}

func TestStartupErrors(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"twice":       {[]string{"user", "anna", "database", "clips", "User", "eve"}, "twice"},
		"no database": {[]string{"user", "anna"}, "dbname=DATASET"},
		"replication": {[]string{"user", "anna", "database", "clips", "replication", "database"}, "replication"},
		"options":     {[]string{"user", "anna", "database", "clips", "options", "-c role=postgres"}, "options"},
		"search_path": {[]string{"user", "anna", "database", "clips", "search_path", "public"}, "search_path"},
		"encoding":    {[]string{"user", "anna", "database", "clips", "client_encoding", "SJIS"}, "PGCLIENTENCODING=UTF8"},
	} {
		t.Run(name, func(t *testing.T) {
			tc, err := w.secured(false)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, talk(t, tc, packet(protocol30, c.pairs...)), "SFATAL", c.want)
		})
	}
}

func TestSettingsReachTheStore(t *testing.T) {
	w := newWorld(t)
	c := w.connect("&datestyle=German&application_name=mine")
	var style, name string
	if err := c.QueryRow(context.Background(), "select current_setting('datestyle'), current_setting('application_name')").Scan(&style, &name); err != nil {
		t.Fatal(err)
	}
	equal(t, "datestyle, application_name", style+" "+name, "German, DMY trefoil")
	equal(t, "claimed", w.desk.logins[0].ApplicationName, "mine")
}

func TestTooManySessions(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxSessions = 1 })
	w.connect("")
	_, err := pgx.Connect(context.Background(), w.url(""))
	equal(t, "second", state(err), "53300")
}

func TestTooManyStrangers(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxPerSource = 2; c.HandshakeTimeout = time.Second })
	a, b := w.dial(), w.dial()
	eventually(t, "two strangers", func() bool { w.gate.mu.Lock(); defer w.gate.mu.Unlock(); return len(w.gate.waiting) == 2 })
	if out, err := io.ReadAll(w.dial()); len(out) != 0 {
		t.Errorf("%q %v", out, err)
	}
	// Those that say nothing are closed in time, and there is room again.
	for _, c := range []net.Conn{a, b} {
		_, _ = io.ReadAll(c)
	}
	w.connect("")
	equal(t, "strangers", w.desk.strangers, "[limit timeout timeout]")
}

func TestPgxOverDirectTLS(t *testing.T) {
	w := newWorld(t)
	c := w.connect("&sslnegotiation=direct")
	var n int
	if err := c.QueryRow(context.Background(), "select count(*) from people").Scan(&n); err != nil || n != 1000 {
		t.Error(n, err)
	}
}
