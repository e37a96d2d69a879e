package gate

import (
	"context"
	"encoding/base64"
	"strconv"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// recorder is how the statements of one session get into the log: an entry each
// for a person (entries), batches for a service (batched). Statement, Refused
// and Result are pggate.Session's; positions are the recorder's own.
type recorder interface {
	pggate.Durability
	Statement(st *pggate.Statement) (pos uint64, err error)
	Refused(st *pggate.Statement, why *fault.Error) (pos uint64, err error)
	Result(r *pggate.Result) error

	// finish is called once, last: whatever was recorded stands in the log before
	// anything that is appended after it returned.
	finish() error
}

// recorder makes the one that suits the grant.
func (g *Gate) recorder(adm access.Admission) recorder {
	if adm.Grant.Service != "" {
		return g.join(adm)
	}
	e := &entries{log: g.record, session: adm.Session, purpose: adm.Grant.Purpose}
	e.head = append(strconv.AppendUint([]byte(`{"grant":`), adm.Grant.Seq, 10), `,"kind":`...)
	e.tail = record.AppendString([]byte(`,"scope":`), adm.Grant.Scope)
	e.tail = append(strconv.AppendUint(append(e.tail, `,"session":`...), adm.Session, 10), '}')
	return e
}

// entries records each statement, refusal and result as an entry of its own.
// Positions are sequences of the log.
type entries struct {
	log     Recorder
	session uint64
	purpose string

	head, tail []byte       // the constant ends of a statement's 'decision' part
	stmt       record.Draft // used by the client's direction
	text       []byte
	result     record.Draft // used by the store's
	line       []byte
}

func (e *entries) Durable() uint64                            { return e.log.Durable() }
func (e *entries) Wait(ctx context.Context, pos uint64) error { return e.log.Wait(ctx, pos) }
func (e *entries) finish() error                              { return nil }

// Statement allocates nothing once its buffers have grown.
func (e *entries) Statement(st *pggate.Statement) (uint64, error) {
	e.text = append(append(e.text[:0], e.head...), '"')
	e.text = append(append(e.text, st.Kind...), '"') // the lexer's own words need no escaping
	e.text = append(e.text, e.tail...)
	n := len(e.text)
	e.text = appendStatement(e.text, st)
	e.stmt.Reset(record.KindStatement, record.Allowed, e.purpose)
	e.stmt.Add(record.PartDecision, e.text[:n:n])
	e.stmt.Add(record.PartStatement, e.text[n:])
	ref, err := e.log.Append(&e.stmt)
	return ref.Seq, err
}

// Refused implements recorder.
func (e *entries) Refused(st *pggate.Statement, why *fault.Error) (uint64, error) {
	return appendRefusal(e.log, &e.stmt, e.session, e.purpose, st, why)
}

// appendRefusal records a statement that is not served, as an entry of its own.
func appendRefusal(log Recorder, d *record.Draft, session uint64, purpose string, st *pggate.Statement, why *fault.Error) (uint64, error) {
	d.Reset(record.KindRefusal, record.Denied, purpose)
	err := d.AddJSON(record.PartDecision, record.StatementRefusal{Session: session, State: why.Kind.SQLState(), Why: why.Message})
	if err != nil {
		return 0, err
	}
	d.Add(record.PartStatement, appendStatement(nil, st))
	ref, err := log.Append(d)
	return ref.Seq, err
}

// appendStatement appends a record.StatementText.
func appendStatement(b []byte, st *pggate.Statement) []byte {
	b = strconv.AppendBool(append(b, `{"ambiguous":`...), st.Ambiguous)
	b = record.AppendBytes(append(b, `,"name":`...), st.Name)
	b = appendParams(append(b, `,"params":`...), st.Params)
	b = record.AppendBytes(append(b, `,"portal":`...), st.Portal)
	b = record.AppendString(append(b, `,"protocol":`...), st.Protocol.String())
	b = record.AppendBytes(append(b, `,"sql":`...), st.SQL)
	return append(b, '}')
}

// appendParams appends record.StatementText.Params.
func appendParams(b []byte, params []pggate.Param) []byte {
	b = append(b, '[')
	for i, p := range params {
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
	return append(b, ']')
}

// outcomes are those of results, by pggate.Completeness.
var outcomes = [...]record.Outcome{
	pggate.Complete: record.Complete, pggate.Suspended: record.Pending, pggate.Failed: record.Failed, pggate.Interrupted: record.Interrupted,
}

// Result implements recorder.
func (e *entries) Result(r *pggate.Result) error {
	b := strconv.AppendInt(append(e.line[:0], `{"bytes":`...), r.Bytes, 10)
	b = strconv.AppendInt(append(b, `,"micros":`...), r.Duration.Microseconds(), 10)
	b = strconv.AppendInt(append(b, `,"rows":`...), r.Rows, 10)
	b = append(b, `,"state":"`...)
	if r.SQLState[0] != 0 {
		b = append(b, r.SQLState[:]...)
	}
	b = strconv.AppendUint(append(b, `","statement":`...), r.Pos, 10)
	e.line = append(b, '}')
	e.result.Reset(record.KindResult, outcomes[r.Completeness], e.purpose)
	e.result.Add(record.PartDecision, e.line)
	_, err := e.log.Append(&e.result)
	return err
}
