package scan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// homePath is a column in which the home country of a subject may stand, and the
// steps that lead there; each step has one row at most.
type homePath struct {
	tables []*table // from the subject on
	steps  []*fk    // one fewer
	column *column
	points int
	why    string
}

// maxSteps to a home country; Pagila's is three away.
const maxSteps = 5

// findHome looks for home countries, in the subject table and in what it points
// at, and makes the tables on the way to the best one via tables.
func (d *Draft) findHome() {
	reached := map[string]bool{d.subject.name: true}
	level := []*homePath{{tables: []*table{d.subject}}}
	for steps := 0; steps <= maxSteps && len(level) > 0; steps++ {
		var next []*homePath
		for _, p := range level {
			t := p.tables[len(p.tables)-1]
			for _, c := range t.columns {
				if points, why := homely(t, c); points > 0 {
					d.homes = append(d.homes, &homePath{p.tables, p.steps, c, points - 3*steps, why})
				}
			}
			for _, f := range d.pathsOf(t) {
				parent := d.schema.byName[f.parent]
				if parent.proposal.kind != 0 || reached[parent.name] || parent.persons() && parent.rows < t.rows/2 {
					continue
				}
				reached[parent.name] = true
				next = append(next, &homePath{tables: append(slices.Clone(p.tables), parent), steps: append(slices.Clone(p.steps), f)})
			}
		}
		level = next
	}
	slices.SortStableFunc(d.homes, func(a, b *homePath) int { return cmp.Compare(b.points, a.points) })
	if len(d.homes) == 0 {
		return
	}
	d.home, d.homes = d.homes[0], d.homes[1:]
	for i, f := range d.home.steps {
		t := d.home.tables[i+1]
		t.proposal = proposal{kind: catalog.Via, paths: []*fk{f}, via: d.home.tables[i], depth: i + 1, why: "on the way to the home country"}
	}
	c := d.home.column
	if c.category != catalog.Residence {
		c.guess = guess{category: catalog.Residence, mask: catalog.Keep, why: d.home.why, ask: true}
	}
}

// homely tells how much a column looks like a country.
func homely(t *table, c *column) (points int, why string) {
	if c.array || c.family != "text" && c.family != "enum" || !legal(c.name) {
		return 0, ""
	}
	codes := c.stats.most(country2) && c.stats.values > 0
	switch {
	case c.category == catalog.Residence:
		points, why = 10, "by its name"
	case parse(t.name).has("country nation land pays pais paese") != "" && (codes || parse(c.name).has("code iso name alpha2 alpha3") != ""):
		points, why = 7, "it tells countries in a table of countries"
	default:
		return 0, ""
	}
	if codes {
		points += 4
		why += "; " + c.stats.told(country2)
	}
	return points, why
}

// String gives the steps as "address_id -> address.address_id, … : country".
func (h *homePath) String() string {
	var list []string
	for i, f := range h.steps {
		list = append(list, shown(h.tables[i].name)+"."+shown(f.columns...)+" -> "+shown(f.parent))
	}
	return strings.Join(append(list, shown(h.tables[len(h.tables)-1].name)+"."+shown(h.column.name)), ", ")
}
