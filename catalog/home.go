package catalog

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Home is the column in which the home country of a subject stands: one of the
// subject table, or of a table that is reached from it by via alone, however many
// steps away. The zero value: the catalogue does not say.
type Home struct{ Table, Column string }

// home reads "column" or "table.column".
func (p *parser) home(n *yaml.Node, own string) Home {
	what := "the home of table " + own
	w := p.word(n, what)
	if w == "" {
		return Home{}
	}
	table, column, there := strings.Cut(w, ".")
	if !there {
		table, column = own, w
	}
	p.legal(n.Line, table, what)
	p.legal(n.Line, column, what)
	return Home{table, column}
}

// HomePath lists the steps from the subject table to the one with the home
// country; none when that is the subject table, or the catalogue does not say.
func (d *Dataset) HomePath() []Path {
	var steps []Path
	at := d.Table(d.Subject().Home.Table)
	for ; at != nil && at.Kind == Via && len(steps) < len(d.Tables); at = d.Table(at.Paths[0].Parent) {
		steps = append(steps, at.Paths[0])
	}
	slices.Reverse(steps)
	return steps
}

// checkHome sees to it that the home is one value for each subject: a table that
// hangs on another in any way but via may have several rows for one, or none.
func (p *parser) checkHome(d *Dataset, t *Table) {
	if t.Kind == Subject && d.RowSecurity && t.Home.Table != t.Name {
		// A policy that asks another table, whose policy asks this one, never ends.
		p.fault(p.lines[t], "table %s needs its home country in a column of its own, since dataset %s has rows: rls", t.Name, d.Name)
	}
	if t.Home.Column == "" {
		return
	}
	line, at := p.lines[t], d.Table(t.Home.Table)
	switch {
	case t.Kind != Subject:
		p.fault(line, "table %s is no subject table and has no home", t.Name)
		return
	case at == nil:
		p.fault(line, "the home of table %s names table %s, which dataset %s does not list", t.Name, quote(t.Home.Table), d.Name)
		return
	}
	if c, ok := at.Column(t.Home.Column); !ok || c.Category != Residence {
		p.fault(line, "the home %s of table %s must be listed among the columns of %s with category residence", t.Home.Column, t.Name, at.Name)
	}
	for range d.Tables { // a circle has a fault of its own
		if at == nil || at == t {
			return
		}
		if at.Kind != Via || len(at.Paths) == 0 {
			p.fault(line, "the home of table %s is reached by way of %s, which is no via table: a subject may have several rows there, or none", t.Name, at.Name)
			return
		}
		at = d.Table(at.Paths[0].Parent)
	}
}
