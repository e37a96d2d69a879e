package catalog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what a catalogue file may be. A file beyond them is refused before
// its meaning is looked at.
const (
	MaxBytes = 1 << 20
	maxDepth = 12 // the format itself needs seven
)

// Error is one thing wrong with a catalogue.
type Error struct {
	File string
	Line int // 1-based; 0 when the whole file is meant
	Text string
}

// Error gives "file:line: sentence".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Text
	}
	return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Text
}

// Parse reads a catalogue. name appears in errors. What is wrong is collected:
// the error joins one *Error for each fault, in the order of lines.
func Parse(name string, src []byte) (*Catalog, error) {
	p := &parser{file: name, lines: map[any]int{}}
	root := p.document(src)
	if root == nil {
		return nil, p.err()
	}
	c := &Catalog{Name: name, Source: bytes.Clone(src), Digest: sha256.Sum256(src)}
	p.catalog(root, c)
	p.crossCheck(c)
	if err := p.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// parser collects faults while it walks the nodes. lines remembers where each
// object of the catalogue was written, for the checks that come afterwards.
type parser struct {
	file   string
	faults []*Error
	lines  map[any]int
}

func (p *parser) fault(line int, format string, args ...any) {
	p.faults = append(p.faults, &Error{File: p.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

func (p *parser) err() error {
	slices.SortStableFunc(p.faults, func(a, b *Error) int { return a.Line - b.Line })
	var all []error
	for _, f := range p.faults {
		all = append(all, f)
	}
	return errors.Join(all...)
}

// document gives the top mapping, or nil after a fault. Nodes are walked, never
// decoded into values, so no alias is ever expanded.
func (p *parser) document(src []byte) *yaml.Node {
	if len(src) > MaxBytes {
		p.fault(0, "is %d bytes; a catalogue may have %d", len(src), MaxBytes)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			p.fault(0, "is empty; a catalogue has zones and datasets")
		} else {
			p.yamlFault(err)
		}
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		p.fault(second.Line, "holds a second document; a catalogue is one")
		return nil
	}
	if !p.plain(&doc, 0) {
		return nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		p.fault(top.Line, "a catalogue is a mapping with zones and datasets")
		return nil
	}
	return top
}

// yamlFault keeps the line of a syntax error ("yaml: line 3: …").
func (p *parser) yamlFault(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		num, after, _ := strings.Cut(rest, ": ")
		if n, e := strconv.Atoi(num); e == nil {
			line, text = n, after
		}
	}
	p.fault(line, "is not YAML: %s", text)
}

// plain refuses what a catalogue never needs: anchors, aliases, merge keys,
// custom tags, deep nesting.
func (p *parser) plain(n *yaml.Node, depth int) bool {
	switch {
	case depth > maxDepth:
		p.fault(n.Line, "is nested deeper than %d levels", maxDepth)
		return false
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.fault(n.Line, "anchors and aliases are not used in a catalogue; write it out")
		return false
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge":
		p.fault(n.Line, "tags and merge keys are not used in a catalogue")
		return false
	}
	for _, c := range n.Content {
		if !p.plain(c, depth+1) {
			return false
		}
	}
	return true
}

// entry is one key of a mapping with its value.
type entry struct {
	key  string
	line int
	node *yaml.Node
}

// mapping gives the entries in order; a key that is not a plain string or comes
// twice is a fault.
func (p *parser) mapping(n *yaml.Node, what string) []entry {
	if n.Kind != yaml.MappingNode {
		p.fault(n.Line, "%s must be a mapping", what)
		return nil
	}
	seen := map[string]int{}
	var list []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			p.fault(k.Line, "%s has a key that is not a word", what)
			continue
		}
		if first, dup := seen[k.Value]; dup {
			p.fault(k.Line, "%s already has %s, on line %d", what, quote(k.Value), first)
			continue
		}
		seen[k.Value] = k.Line
		list = append(list, entry{k.Value, k.Line, n.Content[i+1]})
	}
	return list
}

// fields hands each entry to its function; unknown keys and missing required
// ones (named with a trailing "!") are faults.
func (p *parser) fields(n *yaml.Node, what string, known map[string]func(*yaml.Node)) {
	var names []string
	have := map[string]bool{}
	for name := range known {
		names = append(names, strings.TrimSuffix(name, "!"))
	}
	slices.Sort(names)
	for _, e := range p.mapping(n, what) {
		f := known[e.key]
		if f == nil {
			f = known[e.key+"!"]
		}
		if f == nil || strings.HasSuffix(e.key, "!") {
			p.fault(e.line, "%s has no key %s; known are %s", what, quote(e.key), strings.Join(names, ", "))
			continue
		}
		have[e.key] = true
		f(e.node)
	}
	for _, name := range names {
		if known[name+"!"] != nil && !have[name] && n.Kind == yaml.MappingNode {
			p.fault(n.Line, "%s needs %s", what, name)
		}
	}
}

// word reads a scalar that is written as a string. YAML reads a bare NO as
// text here, because nodes keep the source; only null and collections fail.
func (p *parser) word(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		p.fault(n.Line, "%s must be a word", what)
		return ""
	}
	return n.Value
}

// words reads a list of words; check, when given, sees each with its line.
func (p *parser) words(n *yaml.Node, what string, check func(line int, w string)) []string {
	if n.Kind != yaml.SequenceNode {
		p.fault(n.Line, "%s must be a list", what)
		return nil
	}
	var list []string
	for _, e := range n.Content {
		w := p.word(e, "each of "+what)
		if w == "" {
			continue
		}
		if slices.Contains(list, w) {
			p.fault(e.Line, "%s is listed twice in %s", quote(w), what)
			continue
		}
		if check != nil {
			check(e.Line, w)
		}
		list = append(list, w)
	}
	return list
}

func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strconv.Quote(s)
}
