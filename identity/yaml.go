package identity

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// maxFile bounds a directory or countries file, in bytes: about 60,000 people.
const maxFile = 16 << 20

var (
	loginForm   = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,30}$`)
	codeForm    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
)

// reader walks a YAML tree strictly and keeps the first error, so that callers
// read straight on and look at err once.
type reader struct {
	file string
	err  error
}

// entry is one key of a mapping with its value, in file order.
type entry struct {
	key, value *yaml.Node
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = fault.New(fault.BadInput, "%s:%d: "+format, append([]any{r.file, n.Line}, args...)...)
	}
}

// root parses src, which must be one document and a mapping. Anchors, aliases
// and merge keys are refused: a rules file should read the same everywhere.
func (r *reader) root(src []byte) *yaml.Node {
	if len(src) > maxFile {
		r.err = fault.New(fault.TooLarge, "%s: the file has %d bytes; at most %d are read", r.file, len(src), maxFile)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		r.err = fault.New(fault.BadInput, "%s:1: the file is empty", r.file)
		return nil
	} else if err != nil {
		// yaml.v3 words its errors "yaml: line 3: …"; a reader wants file:line.
		line, text := "1", strings.TrimPrefix(err.Error(), "yaml: ")
		if rest, ok := strings.CutPrefix(text, "line "); ok {
			if n, t, ok := strings.Cut(rest, ": "); ok {
				line, text = n, t
			}
		}
		r.err = fault.New(fault.BadInput, "%s:%s: this is not YAML: %s", r.file, line, text)
		return nil
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		r.fail(&doc, "the file must hold one YAML document")
		return nil
	}
	n := doc.Content[0]
	r.plain(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n, "the file must be a mapping of sections")
	}
	return n
}

func (r *reader) plain(n *yaml.Node) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" {
		r.fail(n, "anchors, aliases and merge keys are not accepted; write the value out")
	}
	for _, c := range n.Content {
		r.plain(c)
	}
}

// entries gives the pairs of a mapping; a key twice is an error.
func (r *reader) entries(n *yaml.Node, what string) []entry {
	if n == nil || r.err != nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a mapping", what)
		return nil
	}
	seen := make(map[string]bool, len(n.Content)/2)
	es := make([]entry, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			r.fail(k, "%s must have plain keys", what)
			return nil
		}
		if seen[k.Value] {
			r.fail(k, "%q is given twice in %s", k.Value, what)
			return nil
		}
		seen[k.Value] = true
		es = append(es, entry{k, n.Content[i+1]})
	}
	return es
}

// fields gives a mapping by key and refuses keys outside known.
func (r *reader) fields(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	m := make(map[string]*yaml.Node)
	for _, e := range r.entries(n, what) {
		if !slices.Contains(known, e.key.Value) {
			r.fail(e.key, "%s has no field %q; it has %s", what, e.key.Value, strings.Join(known, ", "))
			return m
		}
		m[e.key.Value] = e.value
	}
	return m
}

func (r *reader) items(n *yaml.Node, what string) []*yaml.Node {
	if n == nil || r.err != nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s must be a list", what)
		return nil
	}
	return n.Content
}

// text reads a required scalar; at is the node to blame when it is missing.
func (r *reader) text(n, at *yaml.Node, what string) string {
	switch {
	case r.err != nil:
	case n == nil:
		r.fail(at, "%s is missing", what)
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "":
		r.fail(n, "%s must be a word", what)
	case len(n.Value) > 200 || strings.ContainsFunc(n.Value, func(c rune) bool { return c < ' ' || c == 0x7f }):
		r.fail(n, "%s must be at most 200 bytes without control characters", what)
	default:
		return n.Value
	}
	return ""
}

func (r *reader) code(n, at *yaml.Node, what string) string {
	s := r.text(n, at, what)
	if r.err == nil && !codeForm.MatchString(s) {
		r.fail(n, "%s %q must be lower-case letters, digits and hyphens, at most 31, starting with a letter", what, s)
	}
	return s
}

func (r *reader) country(n, at *yaml.Node, what string) string {
	s := r.text(n, at, what)
	if r.err == nil && (!countryForm.MatchString(s) || s == Unknown) {
		r.fail(n, "%s %q must be two capital letters (ISO 3166-1), and not %s", what, s, Unknown)
	}
	return s
}

// codes reads an optional list of codes, sorted and without doubles.
func (r *reader) codes(n *yaml.Node, what string) []string {
	var out []string
	for _, it := range r.items(n, what+"s") {
		c := r.code(it, it, what)
		if slices.Contains(out, c) {
			r.fail(it, "%s %q is given twice", what, c)
		}
		out = append(out, c)
	}
	slices.Sort(out)
	return out
}

// day reads an optional date as µs UTC of its midnight; missing gives none.
func (r *reader) day(n *yaml.Node, what string, none int64) int64 {
	if n == nil || r.err != nil {
		return none
	}
	t, err := time.Parse(time.DateOnly, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		r.fail(n, "%s must be a date such as 2026-01-31", what)
		return none
	}
	return t.UnixMicro()
}
