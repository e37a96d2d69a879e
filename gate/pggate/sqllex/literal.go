package sqllex

import "bytes"

// swallowed reports whether a client encoding could join the byte at i-1 to a
// high byte before it, so that a name reaches further than it seems: é@E'…' is
// a name, an operator and an escape literal, or one long name and a plain
// literal.
func swallowed(src []byte, i int) bool {
	return i >= 2 && src[i-2] >= 0x80 && src[i-1] >= 0x40 && src[i-1] <= 0x7e
}

// escapes reports whether the byte at i is a backslash, or may become one:
// 81 5F is one in SHIFT_JIS_2004.
func escapes(src []byte, i int) bool {
	return src[i] == '\\' || src[i] == '_' && i > 0 && src[i-1] == 0x81
}

// plain reads a literal whose opening quote is at i and in which a backslash is
// an ordinary character, or is not, as a setting pleases. When none stands
// before a quote, the literal ends at the same place either way; the same holds
// for the later pieces of an E'…' continued on another line.
func (s *scanner) plain(i int) token {
	src := s.src
	for i++; ; i += 2 {
		n := bytes.IndexByte(src[i:], '\'')
		if n < 0 {
			return s.fail(Unterminated)
		}
		i += n
		if escapes(src, i-1) {
			return s.fail(BackslashQuote)
		}
		if i+1 >= len(src) || src[i+1] != '\'' {
			return s.took(i+1, tString)
		}
	}
}

// escape reads the E'…' whose opening quote is at i. Backslashes escape under
// every setting, unless an encoding swallows one or makes one of other bytes.
func (s *scanner) escape(i int) token {
	src := s.src
	if swallowed(src, s.start) {
		return s.fail(Shifted)
	}
	for i++; i < len(src); i++ {
		switch src[i] {
		case '\\':
			if src[i-1] >= 0x80 {
				return s.fail(EscapeAfterHigh)
			}
			i++
		case '_':
			if src[i-1] == 0x81 {
				return s.fail(EscapeAfterHigh)
			}
		case '\'':
			if i+1 < len(src) && src[i+1] == '\'' {
				i++
				continue
			}
			return s.took(i+1, tString)
		}
	}
	return s.fail(Unterminated)
}

// quoted reads the name whose opening double quote is at i. No setting changes
// what ends it.
func (s *scanner) quoted(i int) token {
	for i++; ; i += 2 {
		n := bytes.IndexByte(s.src[i:], '"')
		if n < 0 {
			return s.fail(Unterminated)
		}
		i += n
		if i+1 >= len(s.src) || s.src[i+1] != '"' {
			return s.took(i+1, tQuoted)
		}
	}
}

// dollar reads $1, $$…$$ or $tag$…$tag$. A tag is plain ASCII: two encodings of
// one character could make tags equal that are not. A $ that is none of these
// is refused, for a byte swallowed behind it could make it a tag.
func (s *scanner) dollar() token {
	src, i := s.src, s.start+1
	if i < len(src) && class[src[i]]&cDigit != 0 {
		for i < len(src) && class[src[i]]&cDigit != 0 {
			i++
		}
		if i < len(src) && class[src[i]]&cName != 0 {
			return s.fail(Number)
		}
		return s.took(i, tParam)
	}
	for i < len(src) && src[i] < 0x80 && class[src[i]]&(cFirst|cDigit) != 0 {
		i++
	}
	if i >= len(src) || src[i] != '$' {
		return s.fail(Dollar)
	}
	if swallowed(src, s.start) {
		return s.fail(Shifted)
	}
	i++
	tag := src[s.start:i]
	n := bytes.Index(src[i:], tag)
	if n < 0 {
		return s.fail(Unterminated)
	}
	return s.took(i+n+len(tag), tString)
}
