package sqllex

// query judges a query, from its first word or opening parenthesis to the end
// of the statement, or to the parenthesis that closes it when enclosed (whose
// opening one has been read). Words that would make it write or lock are
// refused wherever they stand unquoted, unless they are plainly a column
// (x.update) or its label (AS update; what a query runs after AS stands in
// parentheses, and AS itself is no name): which of them a grammar of some version
// would take for a column is not for a lexer to know.
func (p *parser) query(kind *Kind, enclosed bool) bool {
	depth := 0
	for p.tok == tOpen {
		depth++
		p.next()
	}
	if p.tok != tWord {
		return p.refuse(UnknownStatement, "")
	}
	switch string(p.folded(p.text())) {
	case "select":
		*kind = Select
	case "values":
		*kind = Values
	case "table":
		*kind = Table
	case "with":
		*kind = With
	default:
		if w := refusedWord(p.folded(p.text())); w != "" {
			return p.refuse(NotServed, w)
		}
		return p.refuse(UnknownStatement, "")
	}
	afterDot, afterFor, afterAs := false, false, false
	for p.next(); ; p.next() {
		dotted, locks, labels := afterDot, afterFor, afterAs
		afterDot, afterFor, afterAs = false, false, false
		switch p.tok {
		case tBad:
			return p.refuse(Malformed, "")
		case tSemi, tEnd:
			if enclosed {
				return p.refuse(Malformed, "")
			}
			return true
		case tOpen:
			depth++
		case tClose:
			if depth == 0 && enclosed {
				return true
			}
			depth--
		case tDot:
			afterDot = true
		case tWord:
			w := p.text()
			if len(w) > 6 || dotted {
				continue
			}
			if locks && lockWord(w) {
				return p.refuse(Locking, "")
			}
			switch writes(w) {
			case Into:
				return p.refuse(Into, "")
			case Modifying:
				if labels {
					continue
				}
				return p.refuse(Modifying, refusedWord(p.folded(w)))
			case Locking:
				afterFor = true
			}
			afterAs = equalFold(w, "as")
		}
	}
}

// writes gives the reason why a word may not stand in a query, or 0. FOR alone
// is harmless, as in substring(x for 3): the word after it may lock.
func writes(w []byte) Reason {
	switch lower(w[0]) {
	case 'f':
		if equalFold(w, "for") {
			return Locking
		}
	case 'i':
		if equalFold(w, "into") {
			return Into
		}
		if equalFold(w, "insert") {
			return Modifying
		}
	case 'u':
		if equalFold(w, "update") {
			return Modifying
		}
	case 'd':
		if equalFold(w, "delete") {
			return Modifying
		}
	case 'm':
		if equalFold(w, "merge") {
			return Modifying
		}
	}
	return 0
}

// lockWord reports whether FOR w begins a locking clause.
func lockWord(w []byte) bool {
	return equalFold(w, "update") || equalFold(w, "share") || equalFold(w, "no") || equalFold(w, "key")
}

// copyOut permits COPY (query) TO STDOUT; what follows are options of format.
func (p *parser) copyOut() bool {
	p.st.Kind = CopyOut
	p.next()
	if p.tok != tOpen {
		return p.refuse(CopyForm, "")
	}
	p.next()
	if !p.query(&p.st.Inner, true) {
		return false
	}
	p.next()
	if !p.accept("to") || !p.is("stdout") {
		return p.refuse(CopyForm, "")
	}
	return true
}

// declare reads DECLARE name options CURSOR [WITH|WITHOUT HOLD] FOR query.
func (p *parser) declare() bool {
	p.st.Kind = Declare
	p.next()
	if !p.name() {
		return false
	}
	for p.tok == tWord && !p.is("cursor") {
		p.next()
	}
	if !p.accept("cursor") {
		return p.refuse(Malformed, "DECLARE")
	}
	if p.accept("with") || p.accept("without") {
		if !p.accept("hold") {
			return p.refuse(Malformed, "DECLARE")
		}
	}
	if !p.accept("for") {
		return p.refuse(Malformed, "DECLARE")
	}
	return p.query(&p.st.Inner, false)
}

// prepare reads PREPARE name [(types)] AS query.
func (p *parser) prepare() bool {
	p.st.Kind = Prepare
	p.next()
	two := p.is("transaction")
	if !p.name() {
		return false
	}
	if two && p.tok == tString {
		return p.refuse(TwoPhase, "")
	}
	if p.tok == tOpen {
		for depth := 0; ; p.next() {
			if p.tok == tOpen {
				depth++
			} else if p.tok == tClose {
				if depth--; depth == 0 {
					break
				}
			} else if p.ended() || p.tok == tBad {
				return p.refuse(Malformed, "PREPARE")
			}
		}
		p.next()
	}
	if !p.accept("as") {
		return p.refuse(Malformed, "PREPARE")
	}
	return p.query(&p.st.Inner, false)
}
