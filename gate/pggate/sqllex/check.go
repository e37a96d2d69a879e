package sqllex

import (
	"bytes"
	"unicode/utf8"
)

// MaxStatements is how many statements one text may hold.
const MaxStatements = 1000

// Verdict is the result of Check. One value is reused for many texts; its zero
// value is ready.
type Verdict struct {
	// Statements are the statements of a permitted text in order, at least one.
	// Of a refused text they are those before the refusal. The next Check
	// overwrites them.
	Statements []Statement
	// Refusal is zero for a permitted text.
	Refusal Refusal
}

// Check reads a whole text, the body of a Query or Parse message without its
// final NUL, and reports whether every statement in it is served. It keeps no
// reference to sql. A text is permitted or refused as a whole.
func Check(sql []byte, v *Verdict) bool {
	v.Statements = v.Statements[:0]
	v.Refusal = Refusal{}
	if i := bytes.IndexByte(sql, 0); i >= 0 {
		return v.refuse(NUL, "", i)
	}
	if !utf8.Valid(sql) {
		return v.refuse(InvalidUTF8, "", 0)
	}
	p := parser{v: v}
	p.s.src = sql
	p.next()
	for {
		for p.tok == tSemi {
			p.next()
		}
		if p.tok == tEnd {
			break
		}
		if len(v.Statements) == MaxStatements {
			return v.refuse(TooManyStatements, "", p.s.start)
		}
		if !p.statement() || !p.finish() {
			return false
		}
	}
	if len(v.Statements) == 0 {
		v.Statements = append(v.Statements, Statement{Kind: Empty})
	}
	return true
}

func (v *Verdict) refuse(r Reason, word string, pos int) bool {
	v.Refusal = Refusal{Reason: r, Word: word, Pos: pos}
	return false
}

// parser reads the statements of one text. tok is the token to be judged next;
// methods leave it at the first token they did not judge. Those that return a
// bool have filled in the refusal when it is false.
type parser struct {
	s    scanner
	v    *Verdict
	tok  token
	last int // end of the token before tok
	st   Statement
	buf  [40]byte
}

func (p *parser) next() {
	p.last = p.s.end
	p.tok = p.s.next()
}

func (p *parser) text() []byte { return p.s.src[p.s.start:p.s.end] }

func (p *parser) refuse(r Reason, word string) bool {
	if p.tok == tBad {
		r, word = p.s.bad, ""
	}
	return p.v.refuse(r, word, p.s.start)
}

// is reports whether the current token is the unquoted word w, in lower case.
func (p *parser) is(w string) bool {
	return p.tok == tWord && equalFold(p.text(), w)
}

// accept skips the unquoted word w if it comes next.
func (p *parser) accept(w string) bool {
	if !p.is(w) {
		return false
	}
	p.next()
	return true
}

// equalFold reports whether b is w but for the case of ASCII letters; w is in
// lower case.
func equalFold(b []byte, w string) bool {
	if len(b) != len(w) {
		return false
	}
	for i := range b {
		if lower(b[i]) != w[i] {
			return false
		}
	}
	return true
}

// folded gives b in lower case, in the parser's own buffer, and nothing when it
// is longer than any word we know.
func (p *parser) folded(b []byte) []byte {
	if len(b) > len(p.buf) {
		return nil
	}
	for i, c := range b {
		p.buf[i] = lower(c)
	}
	return p.buf[:len(b)]
}

// ended reports whether the statement is over.
func (p *parser) ended() bool { return p.tok == tSemi || p.tok == tEnd }

// finish skips what is left of a statement, which its kind has declared to be
// harmless whatever it is, and adds it to the verdict.
func (p *parser) finish() bool {
	for !p.ended() {
		if p.tok == tBad {
			return p.refuse(Malformed, "")
		}
		p.next()
	}
	p.st.End = p.last
	p.v.Statements = append(p.v.Statements, p.st)
	return true
}

// name takes the current token as the statement's name.
func (p *parser) name() bool {
	if p.tok != tWord && p.tok != tQuoted {
		return p.refuse(Malformed, "")
	}
	p.st.NameStart, p.st.NameEnd = p.s.start, p.s.end
	p.next()
	return true
}

// statement judges one statement from its first token on.
func (p *parser) statement() bool {
	p.st = Statement{Start: p.s.start}
	if p.tok == tOpen {
		return p.query(&p.st.Kind, false)
	}
	if p.tok != tWord {
		return p.refuse(UnknownStatement, "")
	}
	switch string(p.folded(p.text())) {
	case "select", "values", "table", "with":
		return p.query(&p.st.Kind, false)
	case "show":
		p.st.Kind = Show
		return true
	case "begin":
		p.st.Kind = Begin
		return true
	case "start":
		p.st.Kind = Begin
		p.next()
		if !p.is("transaction") {
			return p.refuse(Malformed, "START")
		}
		return true
	case "commit", "end":
		p.st.Kind = Commit
		return p.ending()
	case "rollback", "abort":
		p.st.Kind = Rollback
		return p.ending()
	case "savepoint":
		p.st.Kind = Savepoint
		p.next()
		return p.name()
	case "release":
		p.st.Kind = Release
		p.next()
		return p.optional("savepoint")
	case "close":
		p.st.Kind = Close
		p.next()
		return p.name()
	case "deallocate":
		p.st.Kind = Deallocate
		p.next()
		return p.optional("prepare")
	case "discard":
		p.st.Kind = Discard
		p.next()
		return p.name()
	case "execute":
		p.st.Kind = Execute
		p.next()
		return p.name()
	case "fetch":
		p.st.Kind = Fetch
		return p.cursor()
	case "move":
		p.st.Kind = Move
		return p.cursor()
	case "set":
		return p.set()
	case "reset":
		return p.reset()
	case "copy":
		return p.copyOut()
	case "declare":
		return p.declare()
	case "prepare":
		return p.prepare()
	case "unlisten":
		return p.unlisten()
	}
	if w := refusedWord(p.folded(p.text())); w != "" {
		return p.refuse(NotServed, w)
	}
	return p.refuse(UnknownStatement, "")
}

// optional takes a name before which the word w may stand. The word alone is
// the name.
func (p *parser) optional(w string) bool {
	isWord := p.is(w)
	if !p.name() {
		return false
	}
	if isWord && !p.ended() {
		return p.name()
	}
	return true
}

// ending reads what follows COMMIT and ROLLBACK.
func (p *parser) ending() bool {
	p.next()
	if p.is("prepared") {
		return p.refuse(TwoPhase, "")
	}
	if p.is("work") || p.is("transaction") {
		p.next()
	}
	if p.st.Kind == Rollback && p.accept("to") {
		p.st.Kind = RollbackTo
		return p.optional("savepoint")
	}
	return true
}

// cursor reads FETCH and MOVE: whatever the direction, the last token names
// the cursor.
func (p *parser) cursor() bool {
	p.next()
	for !p.ended() {
		if p.tok == tBad {
			return p.refuse(Malformed, "")
		}
		p.st.NameStart, p.st.NameEnd = p.s.start, p.s.end
		p.next()
	}
	return true
}

// unlisten permits UNLISTEN * alone. It ends what LISTEN, which is refused,
// would have begun, and asyncpg sends it whenever a pool takes a connection
// back.
func (p *parser) unlisten() bool {
	p.st.Kind = Unlisten
	p.next()
	if p.tok != tOp || string(p.text()) != "*" {
		return p.refuse(NotServed, "UNLISTEN")
	}
	return true
}
