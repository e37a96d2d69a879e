package gate

import (
	"context"
	"sync"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// closeTimeout bounds how long the end of a session waits for its store; what
// is left then, Sweep takes.
const closeTimeout = 10 * time.Second

// session implements pggate.Session.
type session struct {
	recorder
	gate    *Gate
	id      uint64 // sequence of its entry
	grant   access.Grant
	attempt access.Attempt // for deciding again
	store   Store
	seat    Seat
	up      pggate.Upstream
	timer   *time.Timer

	once   sync.Once
	ended  chan struct{}
	reason string
	cause  *fault.Error
}

func newSession(g *Gate, adm access.Admission, a access.Attempt, store Store) *session {
	return &session{recorder: g.recorder(adm), gate: g, id: adm.Session, grant: adm.Grant, attempt: a, store: store, ended: make(chan struct{})}
}

// Upstream implements pggate.Session.
func (s *session) Upstream() pggate.Upstream {
	up := s.up
	s.up = pggate.Upstream{} // asked for once; nothing of it is held here
	return up
}

// Ended implements pggate.Session.
func (s *session) Ended() <-chan struct{} { return s.ended }

// Cause implements pggate.Session. It may be called once Ended is closed.
func (s *session) Cause() *fault.Error { return s.cause }

func (s *session) end(reason string, why *fault.Error) {
	s.once.Do(func() {
		s.reason, s.cause = reason, why
		close(s.ended)
	})
}

func (s *session) expire() {
	s.end("expired", fault.New(fault.GrantEnded, "grant %s has expired", s.grant.ID()).WithHint("ask again: trefoil access request %s", s.grant.Dataset))
}

// Close implements pggate.Session.
func (s *session) Close(sum pggate.Summary) {
	s.gate.mu.Lock()
	delete(s.gate.sessions, s.id)
	s.gate.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	reason := "client"
	if sum.Why != nil {
		reason = "error"
	}
	s.once.Do(func() { s.reason = reason }) // unless end said why
	if s.seat.Role != "" {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := s.store.Close(ctx, s.seat); err != nil {
			s.gate.log.Error("a session's role was left for the sweep", "session", record.ID('s', s.id), "role", s.seat.Role, "err", err)
		}
	}
	if err := s.finish(); err != nil {
		s.gate.log.Error("the last statements of a session could not be recorded", "session", record.ID('s', s.id), "err", err)
	}
	var d record.Draft
	d.Reset(record.KindEnd, record.None, s.grant.Purpose)
	err := d.AddJSON(record.PartDecision, record.End{Session: s.id, Reason: s.reason, Statements: sum.Statements, Rows: sum.Rows, Bytes: sum.Bytes})
	if err == nil {
		_, err = s.gate.record.Append(&d)
	}
	if err != nil {
		s.gate.log.Error("the end of a session could not be recorded", "session", record.ID('s', s.id), "err", err)
	}
}
