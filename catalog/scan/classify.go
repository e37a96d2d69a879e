package scan

import (
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// classify turns what each column tells by itself into what it is in its table.
func (d *Draft) classify() {
	holders := d.holders()
	for _, t := range d.schema.tables {
		if t.proposal.kind == 0 {
			continue
		}
		for _, c := range t.columns {
			switch {
			case !legal(c.name): // its reason stands already
			case holders[place{t.name, c.name}] && t.proposal.kind == catalog.Reference:
				c.guess = guess{why: "it names a person, in a table of nobody's"}
			case holders[place{t.name, c.name}]:
				c.guess = guess{category: catalog.SubjectKey, mask: catalog.Pseudonym, why: d.holds(t, c)}
				if !c.key() {
					c.guess = guess{why: "it holds keys of " + shown(d.subject.name) + ", but " + c.typ + " cannot"}
				}
			case t.proposal.kind == catalog.Reference:
				c.guess = d.inReference(t, c)
			default:
				c.guess = d.inOwned(t, c)
			}
		}
	}
	d.settle()
}

// place is a column of a table.
type place struct{ table, column string }

// holders are the columns whose values are keys of subjects: the key itself, and
// whatever refers to one of them or is reached by way of one.
func (d *Draft) holders() map[place]bool {
	all := map[place]bool{{d.subject.name, d.key}: true}
	for again := true; again; {
		again = false
		add := func(p place) { again, all[p] = again || !all[p], true }
		for _, t := range d.schema.tables {
			for _, f := range t.fks {
				if f.foreign {
					continue
				}
				for i, c := range f.columns {
					if all[place{f.parent, f.parentColumns[i]}] {
						add(place{t.name, c})
					}
				}
			}
			if t.via == nil {
				continue
			}
			for i, c := range t.paths[0].columns {
				if all[place{t.via.name, c}] {
					add(place{t.name, t.paths[0].parentColumns[i]})
				}
			}
		}
	}
	return all
}

func (d *Draft) holds(t *table, c *column) string {
	if t == d.subject && c.name == d.key {
		return "the key of the data subject"
	}
	if f := t.refers(c.name); f != nil {
		return "it names a person, " + by(f)
	}
	return "the key of a table with a row for each person"
}

func outside(f *fk) guess {
	return guess{why: "it points at " + shown(f.parent) + ", outside of the schema"}
}

// pointsAtPeople tells whether a reference names persons who are not the subjects.
func (d *Draft) pointsAtPeople(f *fk) bool {
	p := d.schema.byName[f.parent]
	return p != nil && p.proposal.kind == 0 && p.persons()
}

func ofOthers(f *fk) string {
	return "it names a row of " + shown(f.parent) + ", people of another kind"
}

// inOwned classifies a column of a table whose rows are somebody's.
func (d *Draft) inOwned(t *table, c *column) guess {
	g := c.guess
	if f := t.refers(c.name); f != nil {
		switch {
		case f.foreign:
			return outside(f)
		case d.pointsAtPeople(f):
			return guess{category: catalog.Identity, mask: catalog.Hide, ask: true, why: ofOthers(f)}
		case g.category != "" && c.family != "int" && c.family != "uuid":
			return d.narrow(t, c, g) // a natural key: what it says counts
		case f.implied != "" && !slices.Contains(onPaths(t), c.name):
			return guess{category: catalog.Key, mask: catalog.Keep, why: "it points at " + shown(f.parent) + "; " + f.implied, ask: true}
		}
		return key(by(f)+" to "+shown(f.parent), c)
	}
	if t.via != nil && slices.Contains(t.paths[0].parentColumns, c.name) {
		return key("the key by which "+shown(t.via.name)+" points here", c)
	}
	if g.category != "" && !g.vague {
		return d.narrow(t, c, g)
	}
	if why := ownKey(t, c); why != "" {
		return key(why, c)
	}
	if g.category == "" && strings.HasSuffix(parse(c.name).whole, "id") {
		g.why = "named like a reference, but nothing says to what"
	}
	return d.narrow(t, c, g)
}

// narrow says what a category is in a table that it was not found for: a
// country is a home country only of the subject or of a table about places.
func (d *Draft) narrow(t *table, c *column, g guess) guess {
	if g.category != catalog.Residence || t.proposal.kind == catalog.Subject || t.proposal.kind == catalog.Via {
		return g
	}
	return guess{category: catalog.Location, mask: catalog.Hide, why: g.why + ", and this table's rows are events", ask: true}
}

// inReference classifies a column of a table that belongs to nobody. It can only
// be key or reference, so what looks like anything else stays out.
func (d *Draft) inReference(t *table, c *column) guess {
	g := c.guess
	if f := t.refers(c.name); f != nil {
		switch {
		case f.foreign:
			return outside(f)
		case d.pointsAtPeople(f):
			return guess{why: ofOthers(f)}
		}
		return guess{category: catalog.Key, mask: catalog.Keep, why: by(f) + " to " + shown(f.parent)}
	}
	if (c.family == "int" || c.family == "uuid") && ownKey(t, c) != "" {
		return guess{category: catalog.Key, mask: catalog.Keep, why: ownKey(t, c)}
	}
	unsure := func(why string) guess {
		return guess{why: why + "; if it is not about persons, write reference"}
	}
	s := &c.stats
	switch {
	case slices.Contains(personal, g.category) && !g.vague:
		return unsure("it looks like " + string(g.category) + ": " + g.why)
	case s.shapes[mailInside]+s.shapes[numberInside] > 0 || s.share(given) >= 0.2 && s.values >= few:
		return unsure("its values may name people" + c.inside())
	case g.category == catalog.Content, s.share(prose) >= 0.5:
		return unsure("a text that somebody wrote")
	case !c.shown, c.family == "document", c.family == "bytes", c.family == "words", c.family == "other":
		return unsure(c.typ + " can hold anything")
	case t.sampled == 0 && c.family == "text" && g.category != "" && !g.vague:
		return unsure(g.why)
	}
	return guess{category: catalog.ReferenceData, mask: catalog.Keep, why: "nothing personal in a reference table"}
}

// ownKey says why a column is the key of its rows, or gives nothing.
func ownKey(t *table, c *column) string {
	n, own := parse(c.name).whole, parse(t.name).whole
	surrogate := c.family == "int" || c.family == "uuid"
	switch {
	case t.primary && surrogate && slices.Contains(t.uniques[0], c.name):
		return "the primary key, or part of it"
	case n == "id" || n == "uuid" || n == "guid" || n == own+"id" || n == singular(own)+"id":
		if surrogate || t.unique(c.name) {
			return "named like the key of its rows"
		}
	}
	return ""
}

func key(why string, c *column) guess {
	return guess{category: catalog.Key, mask: catalog.Keep, why: why}.fit(c)
}

// onPaths are the columns of a table at which its paths begin.
func onPaths(t *table) []string {
	var list []string
	for _, f := range t.paths {
		list = append(list, f.columns...)
	}
	return list
}

// settle takes out what would not be consistent: a path needs both its ends
// listed, and both or neither name a subject; a table needs a column.
func (d *Draft) settle() {
	for again := true; again; {
		again = false
		for _, t := range d.schema.tables {
			if t.proposal.kind == 0 || t == d.subject {
				continue
			}
			out := ""
			for _, f := range t.paths {
				child, parent := t, d.schema.byName[f.parent]
				if t.via != nil {
					child = t.via
				}
				for i, name := range f.columns {
					a, b := child.column(name), parent.column(f.parentColumns[i])
					switch {
					case child.proposal.kind == 0 || parent.proposal.kind == 0 || a.category == "" || b.category == "":
						out = "its path to the subject, " + arrow(f) + ", leads through what is unclassified"
					case (a.category == catalog.SubjectKey) != (b.category == catalog.SubjectKey):
						out = "only one end of its path, " + arrow(f) + ", names a person"
					}
				}
			}
			if !slices.ContainsFunc(t.columns, func(c *column) bool { return c.category != "" }) {
				out = "none of its columns can be told"
			}
			if out != "" {
				t.proposal = proposal{out: out}
				again = true
			}
		}
	}
	if h := d.home; h != nil && (h.tables[len(h.tables)-1].proposal.kind == 0 || h.column.category != catalog.Residence) {
		d.home, d.homes = nil, append([]*homePath{h}, d.homes...)
	}
}
