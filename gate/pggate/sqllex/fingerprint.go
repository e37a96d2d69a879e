package sqllex

import "unicode/utf8"

// unread stands for the rest of a text from where it cannot be read.
const unread = "…"

// Fingerprint appends the canonical form of a text or statement to dst: every
// literal and number is ?, lists of them are one ?, comments are gone, white
// space is one blank or none by fixed rules, unquoted words are in lower case.
// It holds no value of a literal and serves as the label of a statement;
// quoted names and parameters ($1) stay as they are. Two texts with one
// fingerprint differ in literals and layout only, but a verdict may depend on
// a literal (SET client_encoding TO 'SJIS'), so never cache verdicts by it.
//
// A text that Check refuses has a fingerprint too: what cannot be read ends it
// with an ellipsis.
func Fingerprint(dst, sql []byte) []byte {
	if !utf8.Valid(sql) {
		return append(dst, unread...)
	}
	from := len(dst)
	s := scanner{src: sql}
	prev := tEnd
	glued := true // no blank after the last token
	for {
		t := s.next()
		switch t {
		case tEnd:
			return dst
		case tSemi:
			if prev == tEnd || prev == tSemi {
				continue
			}
			prev = tSemi
			continue // written only if a statement follows
		}
		if prev == tSemi {
			dst = append(dst, ';')
			glued = false
		}
		if t == tString || t == tNumber {
			switch {
			case prev == tString && t == tString:
				continue // one literal in several pieces
			case prev == tComma && endsList(dst[from:]):
				dst = dst[:len(dst)-1]
				prev = tString
				continue
			}
		}
		if !glued && blankBefore(&s, t, prev) {
			dst = append(dst, ' ')
		}
		dst = appendToken(dst, &s, t)
		if t == tBad {
			return dst
		}
		glued = t == tOpen || t == tDot || t == tPunct
		prev = t
	}
}

// blankBefore reports whether a blank separates the token t from prev.
func blankBefore(s *scanner, t, prev token) bool {
	switch t {
	case tComma, tClose, tDot, tPunct:
		return false
	case tOpen:
		return s.gap || prev != tWord && prev != tQuoted
	default:
		return true
	}
}

// endsList reports whether b ends with "?,".
func endsList(b []byte) bool {
	n := len(b)
	return n >= 2 && b[n-1] == ',' && b[n-2] == '?'
}

func appendToken(dst []byte, s *scanner, t token) []byte {
	switch t {
	case tString, tNumber:
		return append(dst, '?')
	case tBad:
		return append(dst, unread...)
	case tWord:
		for _, c := range s.src[s.start:s.end] {
			dst = append(dst, lower(c))
		}
		return dst
	default:
		return append(dst, s.src[s.start:s.end]...)
	}
}
