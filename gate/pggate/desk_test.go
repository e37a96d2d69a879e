package pggate

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

type testDesk struct {
	w         *world
	mu        sync.Mutex
	sessions  []*testSession
	logins    []Login
	strangers []string
	refuse    *fault.Error
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
	s := &testSession{desk: d, testLog: d.w.log, ended: make(chan struct{}), closed: make(chan struct{})}
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
	*testLog
	desk    *testDesk
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
	return s.append(), nil
}

func (s *testSession) Refused(st *Statement, _ *fault.Error) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, keep(st))
	return s.append(), nil
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
