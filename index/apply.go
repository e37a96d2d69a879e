package index

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/trefoil-dev/trefoil/record"
)

// entry makes the rows of one entry. They depend on it and on the entries
// before it alone. A part that is gone makes its rows missing, nothing else.
func (a *applier) entry(e *record.Entry) error {
	request, login, err := a.rows(e)
	if err != nil {
		return err
	}
	if request != 0 {
		a.life[request] = e.Seq
	}
	return a.exec(`INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)`, e.Seq, e.Time, string(e.Kind), string(e.Outcome), orNull(request), login)
}

// rows writes the rows of the entry's kind, and says whose life it is part of
// and, if that is somebody else's, who did it.
func (a *applier) rows(e *record.Entry) (request uint64, login any, err error) {
	switch e.Kind {
	case record.KindStatement:
		request, err = a.statement(e)
		return request, nil, err
	case record.KindResult:
		request, err = a.result(e)
		return request, nil, err
	case record.KindStatements:
		return a.statements(e)
	case record.KindStart:
		return 0, nil, a.crashed(e)
	case record.KindWithdrawal:
		b, err := body[record.Withdrawal](e)
		return 0, word(b.Login), err
	case record.KindEnrol:
		b, err := body[record.Enrol](e)
		return 0, word(b.Login), err
	case record.KindRequest:
		return e.Seq, nil, a.asked(e)
	case record.KindApproval, record.KindDenial:
		b, err := body[record.Approval](e)
		return b.Object, word(b.Login), err
	case record.KindGrant:
		b, err := body[record.Decision](e)
		if err != nil || b.Request == 0 {
			return 0, nil, err
		}
		a.lives[e.Seq] = b.Request
		return b.Request, nil, a.exec(`INSERT INTO granted VALUES (?, ?, ?, NULL)`, e.Seq, b.Request, b.Until)
	case record.KindRefusal:
		return a.refused(e)
	case record.KindRevocation:
		b, err := body[record.Revocation](e)
		if err == nil {
			err = a.exec(`UPDATE granted SET revoked = ? WHERE seq = ? AND revoked IS NULL`, e.Seq, b.Grant)
		}
		return a.under(e, b.Grant, err)
	case record.KindSecret:
		b, err := body[record.Secret](e)
		return a.under(e, b.Grant, err)
	case record.KindAttempt:
		b, err := body[record.Attempt](e)
		return a.under(e, b.Grant, err)
	case record.KindSession:
		return a.session(e)
	case record.KindEnd:
		b, err := body[record.End](e)
		if err != nil || b.Session == 0 {
			return 0, nil, err
		}
		err = a.exec(`UPDATE session SET ended = ?, reason = ?, statements = ?, row_count = ?, bytes = ? WHERE seq = ?`, e.Seq, b.Reason, b.Statements, b.Rows, b.Bytes, b.Session)
		if err == nil {
			request, err = a.inSession(b.Session)
		}
		delete(a.sessions, b.Session)
		return request, nil, err
	}
	return 0, nil, nil
}

// body reads the decision part, leniently: the ledger has checked the bytes, and
// a field that is not there yet or any more is no reason to stop.
func body[T any](e *record.Entry) (v T, err error) {
	if data, err := e.Part(record.PartDecision); err == nil {
		if err := json.Unmarshal(data, &v); err != nil {
			return v, fmt.Errorf("its decision does not read: %w", err)
		}
	}
	return v, nil
}

// word is s, or NULL for "".
func word(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// actor is who did it, if it says so.
func actor(e *record.Entry) (string, error) {
	var v record.Actor
	data, err := e.Part(record.PartActor)
	if err != nil {
		return "", nil
	}
	err = json.Unmarshal(data, &v)
	return v.Login, err
}

// under is for what belongs to a grant: its request, and who did it unless that
// is the grant's holder.
func (a *applier) under(e *record.Entry, grant uint64, before error) (request uint64, login any, err error) {
	if before != nil {
		return 0, nil, before
	}
	if request, err = a.ofGrant(grant); err != nil {
		return 0, nil, err
	}
	login, err = a.other(e, request)
	return request, login, err
}

// other is the actor's login unless they made the request themselves.
func (a *applier) other(e *record.Entry, request uint64) (any, error) {
	who, err := actor(e)
	if err != nil || who == "" || request == 0 {
		return word(who), err
	}
	own, err := a.number(`SELECT 1 FROM request WHERE seq = ? AND login = ?`, request, who)
	if err != nil || own == 1 {
		return nil, err
	}
	return who, nil
}

func (a *applier) ofGrant(grant uint64) (request uint64, err error) {
	request, ok := a.lives[grant]
	if !ok && grant != 0 {
		request, err = a.number(`SELECT request FROM granted WHERE seq = ?`, grant)
		a.lives[grant] = request
	}
	return request, err
}

func (a *applier) inSession(session uint64) (request uint64, err error) {
	request, ok := a.sessions[session]
	if !ok && session != 0 {
		request, err = a.number(`SELECT request FROM session WHERE seq = ?`, session)
		a.sessions[session] = request
	}
	return request, err
}

func (a *applier) asked(e *record.Entry) error {
	b, err := body[record.Request](e)
	if err != nil {
		return err
	}
	err = a.exec(`INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.Seq, b.Login, b.Dataset, b.Lens, b.Scope, b.Purpose, b.Case, len(b.Subjects), e.Seq, word(b.Service))
	for i := 0; i < len(e.Parts) && err == nil; i++ {
		if p := &e.Parts[i]; strings.HasPrefix(p.Name, record.PartSubject) {
			err = a.exec(`INSERT OR IGNORE INTO subject VALUES (?, ?)`, person(a.key, string(p.Data)), e.Seq)
		}
	}
	return err
}

// refused is of a request, a login or a statement.
func (a *applier) refused(e *record.Entry) (request uint64, login any, err error) {
	b, err := body[struct { // record.Decision and record.StatementRefusal
		Request, Attempt, Grant, Session uint64
		Reasons                          []string
		Why                              string
	}](e)
	if err != nil {
		return 0, nil, err
	}
	switch {
	case b.Session != 0:
		request, err = a.inSession(b.Session)
	case b.Request != 0:
		request = b.Request
	default:
		request, err = a.ofGrant(b.Grant)
	}
	if err == nil {
		login, err = a.other(e, request)
	}
	if b.Why == "" {
		b.Why = strings.Join(b.Reasons, ", ")
	}
	if err == nil {
		err = a.exec(`INSERT INTO refusal VALUES (?, ?, ?, ?, ?)`, e.Seq, orNull(request), orNull(b.Session), orNull(b.Attempt), b.Why)
	}
	return request, login, err
}

func (a *applier) session(e *record.Entry) (request uint64, login any, err error) {
	b, err := body[record.Decision](e)
	if err != nil {
		return 0, nil, err
	}
	if request, err = a.ofGrant(b.Grant); err != nil {
		return 0, nil, err
	}
	a.sessions[e.Seq] = request
	err = a.exec(`INSERT INTO session VALUES (?, ?, ?, ?, ?, NULL, NULL, NULL, NULL, NULL)`, e.Seq, orNull(request), b.Grant, e.Gate, b.Site)
	if err == nil {
		login, err = a.other(e, request)
	}
	return request, login, err
}

// crashed closes what a gate left open: it starts, so nothing of it goes on.
func (a *applier) crashed(e *record.Entry) error {
	if err := a.flush(); err != nil {
		return err
	}
	err := a.exec(`UPDATE statement SET outcome = ? WHERE outcome = 'pending' AND session IN (SELECT seq FROM session WHERE gate = ?)`, string(record.Interrupted), e.Gate)
	if err == nil {
		err = a.exec(`UPDATE session SET ended = ?, reason = 'crash' WHERE ended IS NULL AND gate = ?`, e.Seq, e.Gate)
	}
	return err
}

func (a *applier) statement(e *record.Entry) (request uint64, err error) {
	b, err := body[record.Statement](e)
	if err == nil {
		request, err = a.ofGrant(b.Grant)
	}
	a.open[e.Seq] = &statement{session: b.Session, request: request, verb: b.Kind, outcome: record.Pending}
	return request, err
}

// statements is a batch of a service's: the service did it, in the life of its
// owner's request. Its lines are not read.
func (a *applier) statements(e *record.Entry) (request uint64, login any, err error) {
	b, err := body[record.Statements](e)
	if err == nil {
		request, err = a.ofGrant(b.Grant)
	}
	if err == nil && request != 0 {
		login, err = a.service(request)
	}
	return request, login, err
}

func (a *applier) service(request uint64) (any, error) {
	s, err := a.stmt(`SELECT service FROM request WHERE seq = ?`)
	if err != nil {
		return nil, err
	}
	var name sql.NullString
	if err := s.QueryRow(request).Scan(&name); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	return word(name.String), nil
}

func (a *applier) result(e *record.Entry) (request uint64, err error) {
	b, err := body[record.Result](e)
	if err != nil || b.Statement == 0 {
		return 0, err
	}
	if s := a.open[b.Statement]; s != nil {
		s.outcome, s.result, s.state = e.Outcome, e.Seq, b.State
		s.rows, s.bytes, s.micros = s.rows+b.Rows, s.bytes+b.Bytes, s.micros+b.Micros
		return s.request, nil
	}
	err = a.exec(`UPDATE statement SET outcome = ?, result = ?, row_count = row_count + ?, bytes = bytes + ?, micros = micros + ?, state = ? WHERE seq = ?`,
		string(e.Outcome), e.Seq, b.Rows, b.Bytes, b.Micros, b.State, b.Statement)
	if err != nil {
		return 0, err
	}
	return a.number(`SELECT request FROM entry WHERE seq = ?`, b.Statement)
}
