package pggate

import (
	"strings"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Severities of an ErrorResponse.
const (
	severityError = "ERROR" // this statement failed, the session goes on
	severityFatal = "FATAL" // the session ends
)

// appendFault appends an ErrorResponse for f: SQLSTATE, message, and detail and
// hint when there are some. Its cause is never part of it.
func appendFault(b []byte, severity string, f *fault.Error) []byte {
	b, at := begin(b, msgError)
	b = appendField(b, 'S', severity)
	b = appendField(b, 'V', severity)
	b = appendField(b, 'C', f.Kind.SQLState())
	b = appendField(b, 'M', f.Message)
	if len(f.Detail) > 0 {
		b = appendField(b, 'D', strings.Join(f.Detail, "\n"))
	}
	if f.Hint != "" {
		b = appendField(b, 'H', f.Hint)
	}
	return finish(append(b, 0), at)
}

// appendField appends one field; a zero byte in its text would end it early.
func appendField(b []byte, code byte, text string) []byte {
	b = append(b, code)
	b = append(b, strings.ReplaceAll(text, "\x00", "")...)
	return append(b, 0)
}
