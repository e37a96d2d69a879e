package sqllex

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"unicode/utf8"
)

// refToken is a token of the reference tokeniser: c is ' for a literal whose
// body obeys standard_conforming_strings, e for other literals, ; for a
// semicolon and 0 for the rest. bad marks what PostgreSQL reports an error for.
type refToken struct {
	start, end int
	c          byte
	bad        bool
}

// Patterns from PostgreSQL's scan.l (17).
var (
	refSpace    = regexp.MustCompile(`^([ \t\n\r\f\v]+|--[^\n\r]*)`)
	refLiteral  = regexp.MustCompile(`^([eE]|[bB]|[xX]|[uU]&)?'`)
	refContinue = regexp.MustCompile(`^([ \t\f\v]|--[^\n\r]*)*[\n\r]([ \t\n\r\f\v]+|--[^\n\r]*[\n\r])*'`)
	refQuoted   = regexp.MustCompile(`^([uU]&)?"`)
	refDollar   = regexp.MustCompile(`^\$([A-Za-z_\x{80}-\x{10ffff}][A-Za-z0-9_\x{80}-\x{10ffff}]*)?\$`)
	refWord     = regexp.MustCompile(`^[A-Za-z_\x{80}-\x{10ffff}][A-Za-z0-9_$\x{80}-\x{10ffff}]*`)
	refNumber   = regexp.MustCompile(`^(0[xX](_?[0-9a-fA-F])+|0[oO](_?[0-7])+|0[bB](_?[01])+|\$[0-9]+|([0-9](_?[0-9])*(\.([0-9](_?[0-9])*)?)?|\.[0-9](_?[0-9])*)([eE][-+]?[0-9](_?[0-9])*)?)`)
	refOp       = regexp.MustCompile("^[~!@#^&|`?+*/%<>=-]+")
)

// reference splits a text into tokens as PostgreSQL does when
// standard_conforming_strings is conforming. It is written for clarity and
// independently of the scanner; tests compare it with pg_query where that can
// be asked, which is only for conforming = true.
func reference(sql string, conforming bool) (toks []refToken) {
	add := func(from, to int, c byte) { toks = append(toks, refToken{from, to, c, false}) }
	fail := func(from int) []refToken {
		return append(toks, refToken{from, len(sql), 0, true})
	}
	for i := 0; i < len(sql); {
		rest := sql[i:]
		if m := refSpace.FindString(rest); m != "" {
			i += len(m)
			continue
		}
		if strings.HasPrefix(rest, "/*") {
			depth, j := 0, 0
			for {
				switch {
				case j+1 >= len(rest):
					return fail(i)
				case rest[j:j+2] == "/*":
					depth++
					j += 2
				case rest[j:j+2] == "*/":
					depth--
					j += 2
				default:
					j++
				}
				if depth == 0 {
					break
				}
			}
			i += j
			continue
		}
		if m := refLiteral.FindString(rest); m != "" {
			c := byte('e')
			if m == "'" {
				c = '\''
			}
			escapes := m == "e'" || m == "E'" || m == "'" && !conforming
			if len(m) == 3 && !conforming {
				return fail(i) // unsafe use of U&'…'
			}
			n := refBody(rest, len(m), escapes)
			if n < 0 {
				return fail(i)
			}
			add(i, i+n, c)
			i += n
			continue
		}
		if m := refQuoted.FindString(rest); m != "" {
			j := len(m)
			for {
				k := strings.IndexByte(rest[j:], '"')
				if k < 0 {
					return fail(i)
				}
				j += k + 1
				if j >= len(rest) || rest[j] != '"' {
					break
				}
				j++
			}
			add(i, i+j, 0)
			i += j
			continue
		}
		if tag := refDollar.FindString(rest); tag != "" {
			j := strings.Index(rest[len(tag):], tag)
			if j < 0 {
				return fail(i)
			}
			j += 2 * len(tag)
			add(i, i+j, 'e')
			i += j
			continue
		}
		n := len(refWord.FindString(rest))
		if n == 0 {
			n = len(refNumber.FindString(rest))
			if strings.Contains(rest[:n], ".") && strings.HasPrefix(rest[strings.IndexByte(rest, '.'):], "..") {
				n = strings.IndexByte(rest, '.')
			}
			if n > 0 && refWord.MatchString(rest[n:]) {
				return fail(i) // trailing junk
			}
		}
		if n == 0 {
			n = len(refOp.FindString(rest))
			for _, cut := range []string{"/*", "--"} {
				if k := strings.Index(rest[:n], cut); k > 0 {
					n = k
				}
			}
		}
		if n == 0 {
			_, n = utf8.DecodeRuneInString(rest)
		}
		c := byte(0)
		if rest[:n] == ";" {
			c = ';'
		}
		add(i, i+n, c)
		i += n
	}
	return toks
}

// refBody gives the length of the literal at the start of rest whose body
// begins at j, with the pieces it is continued by, or -1.
func refBody(rest string, j int, escapes bool) int {
	for j < len(rest) {
		switch {
		case escapes && rest[j] == '\\':
			j += 2
		case rest[j] == '\'' && strings.HasPrefix(rest[j+1:], "'"):
			j += 2
		case rest[j] == '\'':
			m := refContinue.FindString(rest[j+1:])
			if m == "" {
				return j + 1
			}
			j += 1 + len(m)
		default:
			j++
		}
	}
	return -1
}

// asNonconforming rewrites a text so that a server with
// standard_conforming_strings on reads it as one with the setting off reads
// the original: each '…' becomes E'…'. ok is false where such a server reports
// an error.
func asNonconforming(sql string) (out string, ok bool) {
	var b strings.Builder
	at := 0
	for _, t := range reference(sql, false) {
		if t.bad {
			return "", false
		}
		if t.c == '\'' {
			b.WriteString(sql[at:t.start])
			b.WriteString(" E")
			at = t.start
		}
	}
	b.WriteString(sql[at:])
	return b.String(), true
}

// reencode reads UTF-8 text as a server would whose client_encoding is one of
// the multi-byte encodings, or worse: whether a high byte joins the next byte
// is drawn from choice, and 81 5F and 81 B0 become ASCII as SHIFT_JIS_2004 has
// it. The result has é for each character outside ASCII.
func reencode(sql string, choice uint64) string {
	var b strings.Builder
	rng := rand.New(rand.NewPCG(choice, 0))
	draw := func() bool { return rng.Uint32()&1 == 0 }
	at := func(i int) byte {
		if i < len(sql) {
			return sql[i]
		}
		return 0
	}
	for i := 0; i < len(sql); i++ {
		c, next := sql[i], at(i+1)
		digit := func(c byte) bool { return '0' <= c && c <= '9' }
		switch {
		case c < 0x80:
			b.WriteByte(c)
			continue
		case c == 0x81 && next == 0x5f && draw():
			b.WriteByte('\\')
			i++
			continue
		case c == 0x81 && next == 0xb0 && draw():
			b.WriteByte('~')
			i++
			continue
		case digit(next) && at(i+2) >= 0x80 && digit(at(i+3)) && draw():
			i += 3
		case (next >= 0x80 || next >= 0x40 && next <= 0x7e) && draw():
			i++
		}
		b.WriteString("é")
	}
	return b.String()
}
