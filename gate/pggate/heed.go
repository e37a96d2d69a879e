package pggate

import (
	"bytes"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// pass-through verdicts on a message of the store.
type passing uint8

const (
	passOn  passing = iota
	drop            // the client does not get it
	replace         // the client gets down.look instead
)

// heed looks into one whole message of the store, which is neither a row nor a
// description: it keeps the queue of answers due in step and results recorded.
func (r *relay) heed(kind byte, body []byte) (passing, *fault.Error) {
	switch kind {
	case msgParseComplete:
		return passOn, r.answered(stepParse, defined, Complete)
	case msgBindComplete:
		return passOn, r.answered(stepBind, undecided, Complete)
	case msgCloseComplete:
		return passOn, r.answered(stepClose, closed, Complete)
	case msgNoData:
		return passOn, r.answered(stepDescribe, undecided, Complete)
	case msgCommandComplete, msgEmptyQuery:
		if it, ok := r.due.peek(); ok && it.step == stepQuery {
			return passOn, nil // one of several statements; ReadyForQuery ends the Query
		}
		return passOn, r.answered(stepExecute, undecided, Complete)
	case msgPortalSuspended:
		return passOn, r.answered(stepExecute, undecided, Suspended)
	case msgCopyDone:
		return passOn, nil
	case msgReady:
		return passOn, r.ready(body)
	case msgError:
		return r.failure(body)
	case msgNotice:
		return r.notice(body)
	case msgParameterStatus:
		return passOn, r.parameter(body)
	case msgNotification:
		// LISTEN is refused; if one got through all the same, other sessions'
		// messages stay outside.
		return drop, nil
	}
	// CopyIn, CopyBoth, FunctionCallResponse, authentication: nothing the gate
	// forwards can make the store send those.
	return drop, badStore("message " + string(rune(kind)) + " out of place")
}

// described takes a RowDescription: the answer to a Describe, or part of a Query's.
func (r *relay) described() {
	if it, ok := r.due.peek(); ok && it.step == stepDescribe {
		r.due.pop(undecided)
	}
}

// answered takes the oldest item off, which must be of step s, and records the
// result of what has an entry and is over.
func (r *relay) answered(s step, f fate, how Completeness) *fault.Error {
	it, ok := r.due.pop(f)
	if !ok || it.step != s {
		return badStore("an answer out of turn")
	}
	if !it.entry || s == stepBind { // the Bind's entry gets its results with Execute
		return nil
	}
	return r.result(it, how, nil)
}

// ready takes a ReadyForQuery: the end of a Query, or of everything up to a Sync.
func (r *relay) ready(body []byte) *fault.Error {
	d := &r.down
	if len(body) != 1 {
		return badStore("a malformed ReadyForQuery")
	}
	skipped := d.skipped != [5]byte{}
	for {
		it, ok := r.due.pop(failed)
		if !ok {
			return badStore("ReadyForQuery out of turn")
		}
		switch {
		case skipped && it.step != stepSync:
			if it.entry && it.pos+1 != d.skippedPos {
				d.skippedPos = it.pos + 1
				if why := r.result(it, Failed, d.skipped[:]); why != nil {
					return why
				}
			}
			continue
		case it.step == stepSync:
			if skipped || body[0] == 'I' {
				r.voided.Store(it.segment + 1)
			}
			if skipped {
				r.due.failing(false)
			}
			d.skipped, d.failure = [5]byte{}, [5]byte{}
			d.rows, d.bytes = 0, 0
			return nil // an error while the Sync committed has no entry of its own
		case it.step == stepQuery:
			how, state := Complete, []byte(nil)
			if d.failure != [5]byte{} {
				how, state = Failed, d.failure[:]
			}
			var why *fault.Error
			if it.entry {
				why = r.result(it, how, state)
			}
			d.failure = [5]byte{}
			d.rows, d.bytes = 0, 0
			return why
		}
		return badStore("ReadyForQuery before its answers")
	}
}

// failure takes an ErrorResponse.
func (r *relay) failure(body []byte) (passing, *fault.Error) {
	d := &r.down
	var state [5]byte
	if s, ok := field(body, 'C'); !ok || copy(state[:], s) != 5 {
		return drop, badStore("an error without SQLSTATE")
	}
	severity, ok := field(body, 'V')
	if !ok { // PostgreSQL before 9.6 has only the translated one
		severity, _ = field(body, 'S')
	}
	d.fatal = d.fatal || !bytes.Equal(severity, []byte(severityError))
	it, ok := r.due.peek()
	if ok && it.refusal != nil && it.refusal.matches(body) {
		d.look = appendFault(d.look[:0], severityError, it.refusal.why)
		copy(state[:], it.refusal.why.Kind.SQLState())
		return replace, r.broke(it, state)
	}
	if ok {
		if why := r.broke(it, state); why != nil {
			return drop, why
		}
	}
	if !withheld(body) {
		return passOn, nil
	}
	if d.look, ok = redact(d.look[:0], msgError, body); !ok {
		return drop, badStore("a malformed error")
	}
	return replace, nil
}

// broke notes which message failed. An error in the extended protocol makes the
// store skip to the next Sync; in a Query, or while a Sync commits, it does not.
func (r *relay) broke(it item, state [5]byte) *fault.Error {
	d := &r.down
	switch it.step {
	case stepQuery:
		d.failure = state
	case stepSync:
	default:
		r.due.pop(failed)
		d.skipped, d.skippedPos = state, 0
		r.due.failing(true)
		if it.entry {
			d.skippedPos = it.pos + 1
			return r.result(it, Failed, state[:])
		}
	}
	return nil
}

// notice takes a NoticeResponse, redacted like an error. What is meant for the
// server's log (plans, parse trees, sort statistics, when a setting sends them
// here) tells of hidden rows and goes no further.
func (r *relay) notice(body []byte) (passing, *fault.Error) {
	if severity, ok := field(body, 'V'); ok && (string(severity) == "LOG" || bytes.HasPrefix(severity, []byte("DEBUG"))) {
		return drop, nil
	}
	if !withheld(body) {
		return passOn, nil
	}
	var ok bool
	if r.down.look, ok = redact(r.down.look[:0], msgNotice, body); !ok {
		return drop, badStore("a malformed notice")
	}
	return replace, nil
}

// parameter takes a ParameterStatus. The lexer's reading of a text depends on some
// of them and the session's identity on others: those must stay what they were.
func (r *relay) parameter(body []byte) *fault.Error {
	name, rest, ok := cut(body)
	value, _, ok2 := cut(rest)
	if !ok || !ok2 {
		return badStore("a malformed parameter status")
	}
	if want, pinned := r.pinned[string(name)]; pinned && want != string(value) {
		return fault.New(fault.Statement, "the session changed %s, which must stay %q", name, want).
			WithHint("connect again; leave %s as it is", name)
	}
	return nil
}

// pins picks the reported parameters that a session may not change. Where the store
// reports nothing, the value the gate relies on is taken for granted.
func pins(reported map[string]string) map[string]string {
	p := map[string]string{"client_encoding": "UTF8", "standard_conforming_strings": "on"}
	for _, name := range []string{"application_name", "session_authorization", "is_superuser", "server_encoding", "integer_datetimes"} {
		if v, ok := reported[name]; ok {
			p[name] = v
		}
	}
	return p
}

// result records what became of the statement of it, and starts counting anew.
func (r *relay) result(it item, how Completeness, state []byte) *fault.Error {
	d := &r.down
	d.res = Result{Pos: it.pos, Rows: d.rows, Bytes: d.bytes, Completeness: how, Duration: time.Duration(r.now() - it.start)}
	copy(d.res.SQLState[:], state)
	d.summary.Rows += d.rows
	d.summary.Bytes += d.bytes
	d.rows, d.bytes = 0, 0
	if err := r.sess.Result(&d.res); err != nil {
		return notRecorded(err)
	}
	return nil
}
