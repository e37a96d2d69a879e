package pggate

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// raw speaks the protocol over pgx's TLS connection, message by message.
type raw struct {
	tb   testing.TB
	conn net.Conn
	buf  []byte
}

func (w *world) raw() *raw {
	w.tb.Helper()
	h, err := w.connect("").PgConn().Hijack()
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { _ = h.Conn.Close() })
	return &raw{tb: w.tb, conn: h.Conn}
}

func (r *raw) send(b ...[]byte) {
	r.tb.Helper()
	var all []byte
	for _, m := range b {
		all = append(all, m...)
	}
	if _, err := r.conn.Write(all); err != nil {
		r.tb.Fatal(err)
	}
}

// next reads one message: its type and body.
func (r *raw) next() (byte, string) {
	r.tb.Helper()
	_ = r.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		if len(r.buf) >= headerSize {
			if kind, size := header(r.buf); len(r.buf) >= size {
				body := string(r.buf[headerSize:size])
				r.buf = r.buf[size:]
				return kind, body
			}
		}
		b := make([]byte, 4096)
		n, err := r.conn.Read(b)
		if err != nil {
			r.tb.Fatalf("reading: %v", err)
		}
		r.buf = append(r.buf, b[:n]...)
	}
}

// until reads up to the n-th ReadyForQuery and gives the types, errors with their
// SQLSTATE and ReadyForQuery with its status: "1 2 C ZI".
func (r *raw) until(n int) string {
	r.tb.Helper()
	var out []string
	for n > 0 {
		kind, body := r.next()
		s := string(kind)
		switch kind {
		case msgReady:
			n--
			s += body
		case msgError:
			code, _ := field([]byte(body), 'C')
			s += string(code)
		case msgDataRow:
			s += body[6:]
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func msg(kind byte, parts ...string) []byte {
	b, at := begin(nil, kind)
	return finish(append(b, strings.Join(parts, "")...), at)
}

func query(sql string) []byte       { return msg(msgQuery, sql, "\x00") }
func parse(name, sql string) []byte { return msg(msgParse, name, "\x00", sql, "\x00\x00\x00") }
func bind(portal, name string) []byte {
	return msg(msgBind, portal, "\x00", name, "\x00\x00\x00\x00\x00\x00\x00")
}
func execute(portal string, max byte) []byte {
	return msg(msgExecute, portal, "\x00\x00\x00\x00", string([]byte{max}))
}
func closing(what, name string) []byte { return msg(msgClose, what, name, "\x00") }
func describe(what, name string) []byte {
	return msg(msgDescribe, what, name, "\x00")
}

var sync_ = msg(msgSync)

// readsNothing asserts that nothing at all arrives while the log stands still: the
// relay has the answer (it waits for the log) and a probe read times out.
func (r *raw) readsNothing() {
	r.tb.Helper()
	_ = r.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := r.conn.Read(make([]byte, 100))
	if n > 0 || err == nil {
		r.tb.Fatalf("%d bytes arrived before their record was durable", n)
	}
}

func TestNothingIsReleasedBeforeItsRecord(t *testing.T) {
	for name, send := range map[string][]byte{
		"row":       query("select 42"),
		"error":     query("select 1/0"),
		"parameter": query("set datestyle to german"),
		"refused":   query("explain select 1"),
		"parse":     append(parse("s", "select nothing"), sync_...),
		"describe":  append(append(parse("s", "select 1"), describe("S", "s")...), sync_...),
		"execute":   append(append(append(parse("", "select 42"), bind("", "")...), execute("", 0)...), sync_...),
		"copy":      query("copy (select 42) to stdout"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.raw()
			w.log.freeze()
			r.send(send)
			w.log.awaitWaiter(t, 1)
			r.readsNothing()
			w.log.free()
			if got := r.until(1); !strings.HasSuffix(got, "ZI") {
				t.Errorf("then came %q", got)
			}
		})
	}
}

func TestAnEarlierAnswerIsHeldForALaterRecord(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("select pg_sleep(0.05), 'first'"))
	eventually(t, "the first record", func() bool { return len(w.session(0).texts()) == 1 })
	w.log.freeze()
	r.send(query("select 'second'"))
	eventually(t, "the second record", func() bool { return len(w.session(0).texts()) == 2 })
	w.log.awaitWaiter(t, 1)
	r.readsNothing()
	w.log.free()
	r.until(2)
}

func TestALogThatFailsReleasesNothing(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	w.log.freeze()
	r.send(query("select 42"))
	w.log.awaitWaiter(t, 1)
	w.log.fail()
	kind, body := r.next()
	if kind != msgError {
		t.Fatalf("got %q", kind)
	}
	contains(t, body, "SFATAL", "C58030")
	<-w.session(0).closed
	equal(t, "results", w.session(0).results[0].Completeness, Interrupted)
}

func TestAStatementThatCannotBeRecordedIsNotForwarded(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	w.session(0).mu.Lock()
	w.session(0).fail = fault.New(fault.NoLease, "no overseer has audited the log lately")
	w.session(0).mu.Unlock()
	r.send(query("select 42"))
	kind, body := r.next()
	equal(t, "answer", string(kind), "E")
	contains(t, body, "SFATAL", "C57P03")
}

func TestRevocationEndsAnIdleSession(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("select 1"))
	r.until(1)
	w.session(0).revoke()
	kind, body := r.next()
	equal(t, "last word", string(kind), "E")
	contains(t, body, "SFATAL", "C57P01", "grant g-test was revoked")
	<-w.session(0).closed
	equal(t, "why", w.session(0).summary.Why.Kind, fault.GrantEnded)
}

// The client has stopped reading in the middle of a large result: the gate is
// blocked in a write, the kernel's buffers are full.
func TestRevocationDiscardsWhatASlowClientHasNotTaken(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("select repeat('x', 1000) from generate_series(1, 1000000)"))
	r.next()
	s := w.session(0)
	backend := func() (n int) {
		if err := w.admin().QueryRow(context.Background(), "select count(*) from pg_stat_activity where usename=$1 and wait_event='ClientWrite'", w.role).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "the store to be blocked in a write", func() bool { return backend() == 1 })
	s.revoke()
	<-s.closed
	equal(t, "why", s.summary.Why.Kind, fault.GrantEnded)
	equal(t, "completeness", s.results[len(s.results)-1].Completeness, Interrupted)
	// What the client's own kernel holds may still be read; it ends in a reset, not
	// in an orderly end.
	_ = r.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 1<<20)
	for {
		if _, err := r.conn.Read(b); err != nil {
			contains(t, err.Error(), "reset")
			break
		}
	}
}

func TestShutdownEndsSessions(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.gate.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	_, body := r.next()
	contains(t, body, "C57P01", "shutting down")
	equal(t, "sessions", w.gate.Sessions(), 0)
	<-w.session(0).closed
}
