// Package fault is the one table in which an error becomes words: a sentinel
// kind maps to an SQLSTATE (PostgreSQL appendix A), an HTTP status and, where a
// person can do something about it, a hint that names the next command.
//
// Whatever is not a *Error is "internal error" to the outside (XX000, 500); its
// details belong in our own log only.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind names one row of the table.
type Kind uint8

// The rows, in the order of DESIGN.md "errors".
const (
	Internal    Kind = iota // XX000 / 500: details stay in our log
	Denied                  // 42501 / 403: no grant, or policy denied
	BadLogin                // 28P01 / 401
	Ambiguous               // 3D000 / 409: several grants or sites fit
	GrantEnded              // 57P01 / 403: expired or revoked
	Statement               // 0A000 / 400: statement or message kind not served
	TooLarge                // 54000 / 413
	TooMany                 // 53300 / 429
	NotRecorded             // 58030 / 503: the record could not be made durable
	NoLease                 // 57P03 / 503
	StoreAway               // 08001 / 502
	BadInput                // 22023 / 400: malformed request, file or argument
	NotFound                // 3D000 / 404
	Conflict                // 55000 / 409: right request, wrong state
	Protocol                // 08P01 / 400: the peer broke the wire protocol
	Stopping                // 57P01 / 503: shutting down
	TooLong                 // 57014 / 408: it took more time than is allowed
)

type row struct {
	state  string
	status int
}

var table = [...]row{
	Internal:    {"XX000", 500},
	Denied:      {"42501", 403},
	BadLogin:    {"28P01", 401},
	Ambiguous:   {"3D000", 409},
	GrantEnded:  {"57P01", 403},
	Statement:   {"0A000", 400},
	TooLarge:    {"54000", 413},
	TooMany:     {"53300", 429},
	NotRecorded: {"58030", 503},
	NoLease:     {"57P03", 503},
	StoreAway:   {"08001", 502},
	BadInput:    {"22023", 400},
	NotFound:    {"3D000", 404},
	Conflict:    {"55000", 409},
	Protocol:    {"08P01", 400},
	Stopping:    {"57P01", 503},
	TooLong:     {"57014", 408},
}

// SQLState is the five-character PostgreSQL error code of the kind.
func (k Kind) SQLState() string { return table[k].state }

// HTTPStatus is the status of the kind in the HTTP API.
func (k Kind) HTTPStatus() int { return table[k].status }

// Error is an error meant to be read by the person who caused it. Message and
// Hint never contain a secret or a hidden value; Cause may, and is only logged.
type Error struct {
	Kind    Kind
	Message string   // one sentence, lower case, no full stop
	Detail  []string // facts, one a line; may be nil
	Hint    string   // the next command or step; may be empty
	Cause   error    // for our log alone; may be nil
}

// Error gives the message without cause or hint.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause, so that errors.Is reaches it.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an Error of the kind from a format; a %w operand becomes Cause.
// Where the cause is ours to know and not the client's (a store's address,
// a role's name), a trailing ": %w" is left out of the message.
func New(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Kind: k, Message: err.Error(), Cause: errors.Unwrap(err)}
	switch k {
	case Internal, StoreAway:
		if head, ok := strings.CutSuffix(e.Message, ": "+causeText(e.Cause)); ok {
			e.Message = head
		}
	}
	return e
}

func causeText(err error) string {
	if err == nil {
		return "\x00" // in no message
	}
	return err.Error()
}

// WithHint returns a copy of e with the hint, which names the next step.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Public gives the error as the outside may see it: e itself when err holds an
// *Error, otherwise "internal error" with err as its unprinted cause.
func Public(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Message: "internal error", Cause: err}
}
