package pggate

import (
	"github.com/trefoil-dev/trefoil/gate/pggate/sqllex"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// verdict is what the lexer says about one text. One is reused for all texts of a
// session; judging a text that passes allocates nothing once it has grown.
type verdict struct {
	lex    sqllex.Verdict
	refuse *fault.Error // nil when every statement may pass
	kind   string       // of the first statement
	label  []byte       // the text with its literals stripped
	// renames: the text may give or take the name of a prepared statement or cursor.
	renames bool
}

func (v *verdict) judge(text []byte) {
	v.refuse, v.kind, v.renames = nil, "", false
	v.label = sqllex.Fingerprint(v.label[:0], text)
	if !sqllex.Check(text, &v.lex) {
		v.kind, v.refuse = "refused", fault.Public(v.lex.Err())
		return
	}
	v.kind = v.lex.Statements[0].Kind.String()
	for _, s := range v.lex.Statements {
		switch s.Kind {
		case sqllex.Prepare, sqllex.Deallocate, sqllex.Discard, sqllex.Declare, sqllex.Close:
			v.renames = true
		}
	}
}

// pin overwrites, in the message about to be forwarded, what would make the
// session's application_name another than the gate's.
func (v *verdict) pin(text []byte) {
	for _, s := range v.lex.Statements {
		s.Pin(text)
	}
}
