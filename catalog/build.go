package catalog

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Names that Trefoil itself turns into names of roles and schemas are short and
// plain: PostgreSQL cuts identifiers at 63 bytes, and a cut name could be
// somebody else's.
var (
	placeName   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	datasetName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}$`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
)

const maxLapse = 366 * 24 * time.Hour

func (p *parser) catalog(n *yaml.Node, c *Catalog) {
	var datasets *yaml.Node
	p.fields(n, "a catalogue", map[string]func(*yaml.Node){
		"zones!": func(n *yaml.Node) {
			for _, e := range p.mapping(n, "zones") {
				c.Zones = append(c.Zones, p.zone(e))
			}
		},
		"datasets!": func(n *yaml.Node) { datasets = n },
		"lapse": func(n *yaml.Node) {
			d, err := time.ParseDuration(p.word(n, "lapse"))
			if err != nil || d < time.Minute || d > maxLapse {
				p.fault(n.Line, "lapse must be a duration such as 72h, of 1m to %dh", maxLapse/time.Hour)
			}
			c.Lapse = d
		},
		"purposes": func(n *yaml.Node) {
			c.Purposes = p.words(n, "purposes", func(line int, w string) {
				if !placeName.MatchString(w) {
					p.fault(line, "purpose %s is not a legal code: lower-case letters, digits and hyphens, at most 31", quote(w))
				}
			})
		},
	})
	if datasets != nil { // after the zones, wherever they stand in the file
		for _, e := range p.mapping(datasets, "datasets") {
			c.Datasets = append(c.Datasets, p.dataset(e, c))
		}
	}
}

func (p *parser) place(e entry, what string) {
	if !placeName.MatchString(e.key) {
		p.fault(e.line, "%s %s is not a legal name: lower-case letters, digits and hyphens, at most 31", what, quote(e.key))
	}
}

func (p *parser) countries(n *yaml.Node, what string) []string {
	return p.words(n, what, func(line int, w string) {
		if !countryCode.MatchString(w) {
			p.fault(line, "%s: %s is not an ISO 3166-1 alpha-2 code such as IE", what, quote(w))
		}
	})
}

func (p *parser) zone(e entry) *Zone {
	p.place(e, "zone")
	z := &Zone{Name: e.key}
	p.lines[z] = e.line
	what := "zone " + e.key
	p.fields(e.node, what, map[string]func(*yaml.Node){
		"residents!": func(n *yaml.Node) { z.Residents = p.countries(n, "the residents of "+what) },
		"authorities": func(n *yaml.Node) {
			if n.Kind != yaml.SequenceNode {
				p.fault(n.Line, "the authorities of %s must be a list", what)
				return
			}
			for _, a := range n.Content {
				p.authority(a, z)
			}
		},
		"sites!": func(n *yaml.Node) {
			for _, s := range p.mapping(n, "the sites of "+what) {
				z.Sites = append(z.Sites, p.site(s))
			}
		},
	})
	p.checkZone(z)
	return z
}

// authority reads one and compares it with those before it.
func (p *parser) authority(n *yaml.Node, z *Zone) {
	a := Authority{From: math.MinInt64, Until: math.MaxInt64}
	p.fields(n, "an authority of zone "+z.Name, map[string]func(*yaml.Node){
		"name!":      func(n *yaml.Node) { a.Name = p.word(n, "the name of an authority") },
		"countries!": func(n *yaml.Node) { a.Countries = p.countries(n, "the countries of an authority") },
		"from":       func(n *yaml.Node) { a.From = p.day(n, "from of an authority") },
		"until":      func(n *yaml.Node) { a.Until = p.day(n, "until of an authority") },
	})
	if a.From >= a.Until {
		p.fault(n.Line, "authority %s of zone %s must begin before it ends", quote(a.Name), z.Name)
	}
	for _, b := range z.Authorities {
		for _, c := range a.Countries {
			if slices.Contains(b.Countries, c) && a.From < b.Until && b.From < a.Until {
				p.fault(n.Line, "authority %s of zone %s speaks for %s, for which %s speaks at the same time", quote(a.Name), z.Name, c, quote(b.Name))
			}
		}
	}
	z.Authorities = append(z.Authorities, a)
}

// day reads a date as µs UTC of its midnight.
func (p *parser) day(n *yaml.Node, what string) int64 {
	t, err := time.Parse(time.DateOnly, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		p.fault(n.Line, "%s must be a date such as 2026-01-31", what)
	}
	return t.UnixMicro()
}

func (p *parser) site(e entry) *Site {
	p.place(e, "site")
	s := &Site{Name: e.key}
	p.lines[s] = e.line
	what := "site " + e.key
	p.fields(e.node, what, map[string]func(*yaml.Node){
		"country!": func(n *yaml.Node) {
			s.Country = p.word(n, "the country of "+what)
			if s.Country != "" && !countryCode.MatchString(s.Country) {
				p.fault(n.Line, "the country of %s: %s is not an ISO 3166-1 alpha-2 code such as IE", what, quote(s.Country))
			}
		},
		"store!": func(n *yaml.Node) {
			s.Store = p.word(n, "the store of "+what)
			if s.Store != "" && !placeName.MatchString(s.Store) {
				p.fault(n.Line, "the store of %s is a name from the server's configuration, not an address", what)
			}
		},
	})
	return s
}

func (p *parser) dataset(e entry, c *Catalog) *Dataset {
	d := &Dataset{Name: e.key, Schema: "public"}
	p.lines[d] = e.line
	if !datasetName.MatchString(e.key) {
		p.fault(e.line, "dataset %s is not a legal name: lower-case letters, digits and underscores, at most 24", quote(e.key))
	}
	what := "dataset " + e.key
	var sites *yaml.Node
	p.fields(e.node, what, map[string]func(*yaml.Node){
		"zone!": func(n *yaml.Node) {
			name := p.word(n, "the zone of "+what)
			if d.Zone = c.Zone(name); d.Zone == nil && name != "" {
				p.fault(n.Line, "%s lies in zone %s, which does not exist", what, quote(name))
			}
		},
		"sites!": func(n *yaml.Node) { sites = n },
		"schema": func(n *yaml.Node) { d.Schema = p.identifier(n, "the schema of "+what) },
		"lenses": func(n *yaml.Node) { d.Lenses = p.lenses(n, what) },
		"rows": func(n *yaml.Node) {
			if d.RowSecurity = n.Value == "rls"; !d.RowSecurity {
				p.fault(n.Line, "rows of %s can only be rls; leave it out when its stores hold the zone's residents alone", what)
			}
		},
		"tables!": func(n *yaml.Node) {
			for _, t := range p.mapping(n, "the tables of "+what) {
				d.Tables = append(d.Tables, p.table(t))
			}
		},
	})
	if sites != nil && d.Zone != nil {
		p.words(sites, "the sites of "+what, func(line int, name string) {
			if s := d.Zone.Site(name); s != nil {
				d.Sites = append(d.Sites, s)
			} else {
				p.fault(line, "%s lies at site %s, which zone %s does not have", what, quote(name), d.Zone.Name)
			}
		})
	}
	return d
}

func (p *parser) table(e entry) *Table {
	p.legal(e.line, e.key, "table")
	t := &Table{Name: e.key}
	p.lines[t] = e.line
	what := "table " + e.key
	var kinds []string
	kind := func(k Kind) { t.Kind, kinds = k, append(kinds, k.String()) }
	p.fields(e.node, what, map[string]func(*yaml.Node){
		"subject": func(n *yaml.Node) { kind(Subject); t.Key = p.identifier(n, "the key of "+what) },
		"child":   func(n *yaml.Node) { kind(Child); t.Paths = p.paths(what, n) },
		"between": func(n *yaml.Node) {
			kind(Between)
			if n.Kind != yaml.SequenceNode || len(n.Content) < 2 {
				p.fault(n.Line, "between of %s must list two paths or more, such as [sender_id -> users, recipient_id -> users]", what)
				return
			}
			t.Paths = p.paths(what, n.Content...)
		},
		"via": func(n *yaml.Node) { kind(Via); t.Paths = p.via(what, n) },
		"reference": func(n *yaml.Node) {
			kind(Reference)
			if n.Value != "true" {
				p.fault(n.Line, "reference of %s can only be true", what)
			}
		},
		"home": func(n *yaml.Node) { t.Home = p.home(n, e.key) },
		"minor": func(n *yaml.Node) {
			if w := p.word(n, "the minor test of "+what); w != "" {
				t.Minor = minorTest(w)
			}
		},
		"lenses": func(n *yaml.Node) { t.Lenses = p.lenses(n, what) },
		"columns!": func(n *yaml.Node) {
			for _, c := range p.mapping(n, "the columns of "+what) {
				t.Columns = append(t.Columns, p.column(c, what))
			}
		},
	})
	if len(kinds) != 1 {
		p.fault(e.line, "%s must be exactly one of subject, child, between, via, reference", what)
	}
	return t
}

// lenses reads which lenses a dataset or table has.
func (p *parser) lenses(n *yaml.Node, what string) []Level {
	list := []Level{} // not nil, which means all
	p.words(n, "the lenses of "+what, func(line int, w string) {
		for _, l := range Lenses() {
			if l.String() == w {
				list = append(list, l)
				return
			}
		}
		p.fault(line, "the lenses of %s: there is no lens %s; there are %s", what, quote(w), join(names(Lenses())))
	})
	if len(list) == 0 {
		p.fault(n.Line, "%s is in no lens; leave it out of the catalogue instead", what)
	}
	return list
}

func (p *parser) column(e entry, table string) Column {
	p.legal(e.line, e.key, "column")
	text := p.word(e.node, "column "+e.key+" of "+table)
	if text == "" {
		return Column{Name: e.key}
	}
	c, wrong := classify(text)
	if wrong != "" {
		p.fault(e.node.Line, "column %s of %s: %s", e.key, table, wrong)
	}
	c.Name = e.key
	return c
}

// paths reads "column -> table", "column -> table.column" or
// "(column, column) -> table.(column, column)".
func (p *parser) paths(table string, nodes ...*yaml.Node) []Path {
	var list []Path
	for _, n := range nodes {
		from, to, ok := strings.Cut(p.word(n, "a path of "+table), "->")
		parent, there, _ := strings.Cut(strings.TrimSpace(to), ".")
		path := Path{columnList(from), parent, columnList(there)}
		if !ok || parent == "" || len(path.Columns) == 0 {
			p.fault(n.Line, "a path of %s is written column -> table or column -> table.column", table)
			continue
		}
		if p.pairs(n.Line, table, path) {
			list = append(list, path)
		}
	}
	return list
}

// via reads "table.column -> column".
func (p *parser) via(table string, n *yaml.Node) []Path {
	from, to, ok := strings.Cut(p.word(n, "via of "+table), "->")
	parent, there, _ := strings.Cut(strings.TrimSpace(from), ".")
	path := Path{columnList(to), parent, columnList(there)}
	if !ok || len(path.Columns) == 0 || len(path.ParentColumns) == 0 {
		p.fault(n.Line, "via of %s is written othertable.column -> column", table)
		return nil
	}
	if !p.pairs(n.Line, table, path) {
		return nil
	}
	return []Path{path}
}

// columnList reads "column" or "(column, column)".
func columnList(s string) []string {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil
	}
	inner, open := strings.CutPrefix(s, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !open || !closed {
		return []string{s}
	}
	var list []string
	for _, c := range strings.Split(inner, ",") {
		list = append(list, strings.TrimSpace(c))
	}
	return list
}

// pairs checks that both ends of a path have as many columns.
func (p *parser) pairs(line int, table string, path Path) bool {
	if len(path.ParentColumns) == len(path.Columns) || len(path.ParentColumns) == 0 && len(path.Columns) == 1 {
		return true
	}
	p.fault(line, "a path of %s has %d columns at one end and %d at the other", table, len(path.Columns), len(path.ParentColumns))
	return false
}

func (p *parser) identifier(n *yaml.Node, what string) string {
	w := p.word(n, what)
	if w != "" {
		p.legal(n.Line, w, what)
	}
	return w
}

// legal keeps names within what PostgreSQL stores and the path syntax can say.
func (p *parser) legal(line int, name, what string) {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f || r == '.' || r == '>' || r == utf8.RuneError }
	switch {
	case name == "" || strings.TrimSpace(name) != name:
		p.fault(line, "%s %s is not a legal name", what, quote(name))
	case len(name) > 63:
		p.fault(line, "%s %s is longer than the 63 bytes of a PostgreSQL name", what, quote(name))
	case strings.ContainsFunc(name, bad):
		p.fault(line, "%s %s: control characters, dots and > cannot be used in names here", what, quote(name))
	}
}
