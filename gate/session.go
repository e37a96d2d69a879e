package gate

import (
	"context"
	"encoding/base64"
	"strconv"
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
	gate    *Gate
	id      uint64 // sequence of its entry
	grant   access.Grant
	attempt access.Attempt // for deciding again
	store   Store
	role    string
	up      pggate.Upstream
	timer   *time.Timer

	decision []byte // the constant ends of a statement's 'decision' part
	tail     []byte
	stmt     record.Draft // used by the client's direction
	text     []byte
	result   record.Draft // used by the store's
	line     []byte

	once   sync.Once
	ended  chan struct{}
	reason string
	cause  *fault.Error
}

func newSession(g *Gate, adm access.Admission, a access.Attempt, store Store) *session {
	s := &session{gate: g, id: adm.Session, grant: adm.Grant, attempt: a, store: store, ended: make(chan struct{})}
	s.decision = append(strconv.AppendUint([]byte(`{"grant":`), adm.Grant.Seq, 10), `,"kind":`...)
	s.tail = record.AppendString([]byte(`,"scope":`), adm.Grant.Scope)
	s.tail = append(strconv.AppendUint(append(s.tail, `,"session":`...), adm.Session, 10), '}')
	return s
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

// Statement implements pggate.Session. It allocates nothing once its buffers
// have grown.
func (s *session) Statement(st *pggate.Statement) (uint64, error) {
	s.text = append(append(s.text[:0], s.decision...), '"')
	s.text = append(append(s.text, st.Kind...), '"') // the lexer's own words need no escaping
	s.text = append(s.text, s.tail...)
	n := len(s.text)
	s.text = appendStatement(s.text, st)
	s.stmt.Reset(record.KindStatement, record.Allowed, s.grant.Purpose)
	s.stmt.Add(record.PartDecision, s.text[:n:n])
	s.stmt.Add(record.PartStatement, s.text[n:])
	ref, err := s.gate.record.Append(&s.stmt)
	return ref.Seq, err
}

// Refused implements pggate.Session.
func (s *session) Refused(st *pggate.Statement, why *fault.Error) (uint64, error) {
	s.stmt.Reset(record.KindRefusal, record.Denied, s.grant.Purpose)
	err := s.stmt.AddJSON(record.PartDecision, record.StatementRefusal{Session: s.id, State: why.Kind.SQLState(), Why: why.Message})
	if err != nil {
		return 0, err
	}
	s.text = appendStatement(s.text[:0], st)
	s.stmt.Add(record.PartStatement, s.text)
	ref, err := s.gate.record.Append(&s.stmt)
	return ref.Seq, err
}

// appendStatement appends a record.StatementText.
func appendStatement(b []byte, st *pggate.Statement) []byte {
	b = strconv.AppendBool(append(b, `{"ambiguous":`...), st.Ambiguous)
	b = record.AppendBytes(append(b, `,"name":`...), st.Name)
	b = append(b, `,"params":[`...)
	for i, p := range st.Params {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case p.Value == nil:
			b = append(b, "null"...)
		case p.Format == 0:
			b = record.AppendBytes(b, p.Value)
		default:
			b = base64.StdEncoding.AppendEncode(append(b, `{"base64":"`...), p.Value)
			b = append(b, `"}`...)
		}
	}
	b = record.AppendBytes(append(b, `],"portal":`...), st.Portal)
	b = record.AppendString(append(b, `,"protocol":`...), st.Protocol.String())
	b = record.AppendBytes(append(b, `,"sql":`...), st.SQL)
	return append(b, '}')
}

var outcomes = map[pggate.Completeness]record.Outcome{
	pggate.Complete: record.Complete, pggate.Suspended: record.Pending, pggate.Failed: record.Failed, pggate.Interrupted: record.Interrupted,
}

// Result implements pggate.Session.
func (s *session) Result(r *pggate.Result) error {
	b := strconv.AppendInt(append(s.line[:0], `{"bytes":`...), r.Bytes, 10)
	b = strconv.AppendInt(append(b, `,"micros":`...), r.Duration.Microseconds(), 10)
	b = strconv.AppendInt(append(b, `,"rows":`...), r.Rows, 10)
	b = append(b, `,"state":"`...)
	if r.SQLState[0] != 0 {
		b = append(b, r.SQLState[:]...)
	}
	b = strconv.AppendUint(append(b, `","statement":`...), r.Pos, 10)
	s.line = append(b, '}')
	s.result.Reset(record.KindResult, outcomes[r.Completeness], s.grant.Purpose)
	s.result.Add(record.PartDecision, s.line)
	_, err := s.gate.record.Append(&s.result)
	return err
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
	if s.role != "" {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := s.store.Close(ctx, s.role); err != nil {
			s.gate.log.Error("a session's role was left for the sweep", "session", record.ID('s', s.id), "role", s.role, "err", err)
		}
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
