package sqllex

// token is the class of one lexical token, as coarse as verdicts allow.
type token uint8

const (
	tEnd    token = iota
	tBad          // refused; scanner.bad says why
	tWord         // unquoted keyword or name
	tQuoted       // "name", U&"name"
	tString       // '…', E'…', B'…', X'…', N'…', U&'…', $tag$…$tag$
	tNumber
	tParam // $1
	tOp    // a run of operator characters, = and * among them
	tPunct // [ ] : { }
	tSemi
	tOpen
	tClose
	tComma
	tDot
)

// Classes of bytes outside literals. Zero is what PostgreSQL knows no token
// for; such texts are refused.
const (
	cSpace uint8 = 1 << iota
	cFirst       // may begin a word; high bytes too
	cDigit
	cDollar
	cOp
	cPunct
)

const cName = cFirst | cDigit | cDollar // may continue a word

var class = classes()

func classes() (t [256]uint8) {
	set := func(chars string, c uint8) {
		for i := 0; i < len(chars); i++ {
			t[chars[i]] |= c
		}
	}
	set(" \t\n\r\f", cSpace) // not \v, which is white space from PostgreSQL 16 on only
	set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", cFirst)
	for c := 0x80; c <= 0xff; c++ {
		t[c] |= cFirst
	}
	set("0123456789", cDigit)
	set("$", cDollar)
	set("~!@#^&|`?+-*/%<>=", cOp)
	set("()[],;:.{}", cPunct)
	return t
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// scanner walks a text token by token. The text must be valid UTF-8 without
// NUL. Its rules are those of PostgreSQL's scan.l, versions 15 to 18; where the
// versions or two settings disagree, it answers tBad.
type scanner struct {
	src        []byte
	pos        int    // where the next token is looked for
	start, end int    // the token just read
	gap        bool   // white space or a comment stood before it
	bad        Reason // why the last token is tBad
}

func (s *scanner) fail(r Reason) token {
	s.bad = r
	s.end = s.pos
	return tBad
}

// next reads one token, skipping white space and comments before it. After
// tEnd or tBad it must not be called again.
func (s *scanner) next() token {
	src := s.src
	i := s.pos
	s.gap = false
	for {
		if i >= len(src) {
			s.pos, s.start, s.end = i, i, i
			return tEnd
		}
		if class[src[i]]&cSpace != 0 {
			i++
			s.gap = true
			continue
		}
		if n := commentAt(src, i); n != 0 {
			if n < 0 {
				s.pos, s.start = i, i
				return s.fail(Unterminated)
			}
			i += n
			s.gap = true
			continue
		}
		break
	}
	s.pos, s.start = i, i
	c := src[i]
	switch k := class[c]; {
	case k&cFirst != 0:
		return s.word()
	case k&cDigit != 0:
		return s.number()
	case c == '\'':
		return s.plain(i)
	case c == '"':
		return s.quoted(i)
	case k&cDollar != 0:
		return s.dollar()
	case k&cPunct != 0:
		return s.punct(c)
	case k&cOp != 0:
		for i++; i < len(src) && class[src[i]]&cOp != 0 && !commentStarts(src, i); i++ {
		}
		return s.took(i, tOp)
	case c == '\\':
		return s.fail(Backslash)
	default:
		return s.fail(Control)
	}
}

// took ends the current token before the byte at end.
func (s *scanner) took(end int, t token) token {
	s.pos, s.end = end, end
	return t
}

func (s *scanner) punct(c byte) token {
	i := s.start
	switch c {
	case '(':
		return s.took(i+1, tOpen)
	case ')':
		return s.took(i+1, tClose)
	case ',':
		return s.took(i+1, tComma)
	case ';':
		return s.took(i+1, tSemi)
	case '.':
		if i+1 < len(s.src) && class[s.src[i+1]]&cDigit != 0 {
			return s.number()
		}
		return s.took(i+1, tDot)
	default:
		return s.took(i+1, tPunct)
	}
}

func commentStarts(src []byte, i int) bool {
	return i+1 < len(src) && (src[i] == '-' && src[i+1] == '-' || src[i] == '/' && src[i+1] == '*')
}

// commentAt gives the length of the comment at i, 0 when there is none and -1
// when it does not end. /* … */ nests.
func commentAt(src []byte, i int) int {
	if !commentStarts(src, i) {
		return 0
	}
	from := i
	if src[i] == '-' {
		for i < len(src) && src[i] != '\n' && src[i] != '\r' {
			i++
		}
		return i - from
	}
	depth := 0
	for i+1 < len(src) {
		switch {
		case src[i] == '/' && src[i+1] == '*':
			depth++
			i += 2
		case src[i] == '*' && src[i+1] == '/':
			depth--
			i += 2
			if depth == 0 {
				return i - from
			}
		default:
			i++
		}
	}
	return -1
}

// word reads an unquoted word, or the literal or name that its first letter
// introduces.
func (s *scanner) word() token {
	src, i := s.src, s.start
	if i+1 < len(src) {
		switch next := src[i+1]; src[i] {
		case 'e', 'E':
			if next == '\'' {
				return s.escape(i + 1)
			}
		case 'b', 'B', 'x', 'X', 'n', 'N':
			if next == '\'' {
				return s.plain(i + 1)
			}
		case 'u', 'U':
			if next == '&' && i+2 < len(src) && src[i+2] == '\'' {
				return s.plain(i + 2)
			}
			if next == '&' && i+2 < len(src) && src[i+2] == '"' {
				return s.quoted(i + 2)
			}
		}
	}
	for ; i < len(src) && class[src[i]]&cName != 0; i++ {
		// 81 B0 is a tilde in SHIFT_JIS_2004 and would set free what follows:
		// a keyword, the E of a literal, a $$.
		if src[i] == 0xb0 && i > s.start && src[i-1] == 0x81 &&
			i+1 < len(src) && src[i+1] < 0x80 && class[src[i+1]]&cName != 0 {
			return s.fail(SplitName)
		}
	}
	return s.took(i, tWord)
}

// number reads a number. What directly follows it must not look like a word or
// a dollar quote: PostgreSQL 15 and 16 disagree on where some of these end.
func (s *scanner) number() token {
	src, i := s.src, s.start
	digits := func(i int) int {
		for i < len(src) && (class[src[i]]&cDigit != 0 || src[i] == '_') {
			i++
		}
		return i
	}
	if src[i] == '0' && i+1 < len(src) {
		switch src[i+1] {
		case 'x', 'X', 'o', 'O', 'b', 'B':
			from := i + 2
			for i = from; i < len(src) && (isHex(src[i]) || src[i] == '_'); i++ {
			}
			if i == from {
				return s.fail(Number)
			}
			return s.numberEnds(i)
		}
	}
	i = digits(i)
	if i < len(src) && src[i] == '.' && !(i+1 < len(src) && src[i+1] == '.') {
		i = digits(i + 1)
	}
	if i < len(src) && (src[i] == 'e' || src[i] == 'E') {
		j := i + 1
		if j < len(src) && (src[j] == '+' || src[j] == '-') {
			j++
		}
		if j >= len(src) || class[src[j]]&cDigit == 0 {
			return s.fail(Number)
		}
		i = digits(j)
	}
	return s.numberEnds(i)
}

func (s *scanner) numberEnds(i int) token {
	if i < len(s.src) && class[s.src[i]]&cName != 0 || s.src[i-1] == '_' {
		return s.fail(Number)
	}
	return s.took(i, tNumber)
}

func isHex(c byte) bool {
	return class[c]&cDigit != 0 || 'a' <= lower(c) && lower(c) <= 'f'
}
