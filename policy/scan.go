package policy

import (
	"bytes"
	"unicode/utf8"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Limits that keep the recursive parser, type checker and evaluator within a
// small stack. A syntax tree is never deeper than its rule has tokens.
const (
	maxSource = 256 << 10
	maxDepth  = 64   // brackets inside each other
	maxTokens = 4096 // in one rule
)

// scan refuses, before the parser sees it, a source that could exhaust the
// stack: one million nested parentheses kill a process, recover or not. It
// knows just enough of the lexer: strings, line comments, words, single marks.
// Block comments are refused because Cedar has none (cedar-go skips them), and
// a second implementation must read the same rules.
func scan(name string, src []byte) error {
	if len(src) > maxSource {
		return fault.New(fault.TooLarge, "%s: the rules have %d bytes; at most %d are read", name, len(src), maxSource)
	}
	line, depth, tokens := 1, 0, 0
	fail := func(sentence string) error { return fault.New(fault.BadInput, "%s:%d: %s", name, line, sentence) }
	if at := bytes.IndexByte(src, 0); at >= 0 || !utf8.Valid(src) {
		return fail("the rules must be UTF-8 text without zero bytes")
	}
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '\n':
			line++
			continue
		case c == ' ' || c == '\t' || c == '\r':
			continue
		case c == '/' && i+1 < len(src) && src[i+1] == '/':
			for i+1 < len(src) && src[i+1] != '\n' {
				i++
			}
			continue
		case c == '/' && i+1 < len(src) && src[i+1] == '*':
			return fail("Cedar has no block comments; write // before each line")
		case c == '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
				if i >= len(src) || src[i] == '\n' {
					return fail("a string does not end on its line")
				}
			}
			if i >= len(src) {
				return fail("a string does not end on its line")
			}
		case word(c):
			for i+1 < len(src) && word(src[i+1]) {
				i++
			}
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == ';':
			tokens = -1
		}
		tokens++
		if depth > maxDepth {
			return fail("brackets are nested more than 64 deep")
		}
		if tokens > maxTokens {
			return fail("a rule has more than 4096 words and marks; split it")
		}
	}
	return nil
}

func word(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}
