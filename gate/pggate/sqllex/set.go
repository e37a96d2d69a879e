package sqllex

// set judges SET in all its forms. What is not a form listed here is refused.
func (p *parser) set() bool {
	p.st.Kind = Set
	p.next()
	if p.is("session") || p.is("local") {
		p.next()
	}
	if p.tok != tWord && p.tok != tQuoted {
		return p.refuse(Malformed, "SET")
	}
	start, end, word := p.s.start, p.s.end, p.tok == tWord
	if word {
		switch string(p.folded(p.text())) {
		case "time":
			p.next()
			if !p.accept("zone") {
				return p.refuse(Malformed, "SET")
			}
			return true
		case "xml":
			p.next()
			if !p.accept("option") {
				return p.refuse(Malformed, "SET")
			}
			return true
		case "names":
			p.next()
			if p.ended() {
				return true // back to the pinned encoding
			}
			return p.value(onlyUTF8, "client_encoding")
		case "transaction":
			p.next()
			if p.is("snapshot") {
				return p.refuse(Snapshot, "")
			}
			if !p.is("isolation") && !p.is("read") && !p.is("not") && !p.is("deferrable") {
				return p.refuse(Malformed, "SET")
			}
			return true
		case "characteristics":
			p.next()
			if !p.accept("as") || !p.accept("transaction") {
				return p.refuse(Malformed, "SET")
			}
			return true
		case "schema":
			return p.refuse(SettingRefused, "search_path")
		}
	}
	rule, known := p.setting()
	p.next()
	if rule == never {
		if word && p.tok != tDot && !p.assigns() {
			// SET ROLE x, SET SESSION AUTHORIZATION x, SET CONSTRAINTS x …
			return p.refuse(SetForm, "")
		}
		return p.refuse(SettingRefused, known)
	}
	if !p.assigns() {
		return p.refuse(Malformed, "SET")
	}
	p.next()
	p.st.NameStart, p.st.NameEnd = start, end
	p.st.Pinned = rule == pinned
	if rule == anyValue || rule == pinned {
		return true
	}
	return p.value(rule, known)
}

// setting looks the current token up among the settings. The name is the
// setting's own, or empty when it is not one we know.
func (p *parser) setting() (rule, string) {
	raw := p.text()
	if p.tok == tQuoted {
		if raw[0] != '"' {
			return never, "" // U&"…"
		}
		raw = raw[1 : len(raw)-1]
	}
	return lookup(p.folded(raw))
}

// assigns reports whether TO or = comes next. A sign may stick to =.
func (p *parser) assigns() bool {
	return p.is("to") || p.tok == tOp && p.text()[0] == '='
}

// value judges the one value of a parameter that has a rule.
func (p *parser) value(r rule, name string) bool {
	raw := p.text()
	switch p.tok {
	case tWord, tNumber:
	case tQuoted, tString:
		if raw[0] != '\'' && raw[0] != '"' {
			return p.refuse(ValueRefused, name)
		}
		raw = raw[1 : len(raw)-1]
	default:
		return p.refuse(ValueRefused, name)
	}
	isDefault := p.is("default")
	if !isDefault && !r.allows(p.folded(raw)) {
		return p.refuse(ValueRefused, name)
	}
	p.next()
	if !p.ended() {
		return p.refuse(ValueRefused, name)
	}
	return true
}

// reset permits RESET of what SET permits, of parameters that the gate pins,
// and of everything: each returns to what the gate chose when it opened the
// session.
func (p *parser) reset() bool {
	p.st.Kind = Reset
	p.next()
	start, end := p.s.start, p.s.end
	switch {
	case p.accept("time"):
		if !p.accept("zone") {
			return p.refuse(Malformed, "RESET")
		}
		return true
	case p.accept("transaction"):
		return true // ISOLATION LEVEL
	case p.is("all"):
	case p.tok == tWord || p.tok == tQuoted:
		if r, known := p.setting(); r == never && known != "search_path" {
			return p.refuse(SettingRefused, known)
		}
	default:
		return p.refuse(Malformed, "RESET")
	}
	p.st.NameStart, p.st.NameEnd = start, end
	p.next()
	if !p.ended() {
		return p.refuse(Malformed, "RESET")
	}
	return true
}
