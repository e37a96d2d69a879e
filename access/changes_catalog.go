package access

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/catalog"
)

func (d *differ) catalogue(old, now *catalog.Catalog) {
	d.words("purpose", old.Purposes, now.Purposes)
	d.lapse(old.Lapse, now.Lapse)
	before, after := map[string]*catalog.Zone{}, map[string]*catalog.Zone{}
	for _, z := range old.Zones {
		before[z.Name] = z
	}
	for _, z := range now.Zones {
		after[z.Name] = z
	}
	for _, name := range union(before, after) {
		o, n := before[name], after[name]
		if o == nil {
			o = &catalog.Zone{}
		}
		if n == nil {
			n = &catalog.Zone{}
		}
		d.same("zone "+name+": residents", strings.Join(o.Residents, ", "), strings.Join(n.Residents, ", "))
		d.same("zone "+name+": sites", sitesOf(o.Sites), sitesOf(n.Sites))
		d.same("zone "+name+": authorities", authorities(o), authorities(n))
	}
	oldSets, sets := map[string]*catalog.Dataset{}, map[string]*catalog.Dataset{}
	for _, s := range old.Datasets {
		oldSets[s.Name] = s
	}
	for _, s := range now.Datasets {
		sets[s.Name] = s
	}
	for _, name := range union(oldSets, sets) {
		switch o, n := oldSets[name], sets[name]; {
		case o == nil:
			d.add(Wider, "dataset %s is new", name)
		case n == nil:
			d.add(Narrower, "dataset %s goes", name)
		default:
			d.dataset(o, n)
		}
	}
}

// lapse compares how long requests stay open; 0 is for ever.
func (d *differ) lapse(old, now time.Duration) {
	switch {
	case old == now:
	case now == 0:
		d.add(Wider, "open requests never lapse, instead of after %s", old)
	case old == 0:
		d.add(Narrower, "open requests lapse after %s; until now they never did", now)
	case now > old:
		d.add(Wider, "open requests lapse after %s instead of %s", now, old)
	default:
		d.add(Narrower, "open requests lapse after %s instead of %s", now, old)
	}
}

// same notes a difference of which nobody can say by itself what it does.
func (d *differ) same(what, old, now string) {
	if old != now {
		d.add(Either, "%s: %s instead of %s", what, orNone(now), orNone(old))
	}
}

func (d *differ) words(what string, old, now []string) {
	for _, w := range now {
		if !slices.Contains(old, w) {
			d.add(Wider, "%s %s is new", what, w)
		}
	}
	for _, w := range old {
		if !slices.Contains(now, w) {
			d.add(Narrower, "%s %s goes", what, w)
		}
	}
}

func sitesOf(list []*catalog.Site) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%s in %s (store %s)", s.Name, s.Country, s.Store))
	}
	return strings.Join(out, ", ")
}

func authorities(z *catalog.Zone) string {
	var out []string
	for _, a := range z.Authorities {
		s := a.Name + " for " + strings.Join(a.Countries, " ")
		if a.From != math.MinInt64 {
			s += " from " + time.UnixMicro(a.From).UTC().Format(time.DateOnly)
		}
		if a.Until != math.MaxInt64 {
			s += " until " + time.UnixMicro(a.Until).UTC().Format(time.DateOnly)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func (d *differ) dataset(o, n *catalog.Dataset) {
	what := "dataset " + n.Name
	d.same(what+": zone", o.Zone.Name, n.Zone.Name)
	d.same(what+": sites", sitesOf(o.Sites), sitesOf(n.Sites))
	d.same(what+": schema", o.Schema, n.Schema)
	if o.RowSecurity != n.RowSecurity {
		if n.RowSecurity {
			d.add(Narrower, "%s shows only rows of the zone's residents", what)
		} else {
			d.add(Wider, "%s shows every row of its stores, not only residents'", what)
		}
	}
	before, after := map[string]*catalog.Table{}, map[string]*catalog.Table{}
	for _, t := range o.Tables {
		before[t.Name] = t
	}
	for _, t := range n.Tables {
		after[t.Name] = t
	}
	for _, name := range union(before, after) {
		d.table(n.Name+"."+name, o, n, before[name], after[name])
	}
}

func (d *differ) table(what string, ods, nds *catalog.Dataset, o, n *catalog.Table) {
	if o == nil {
		d.add(Wider, "table %s is new", what)
		return
	}
	if n == nil {
		d.add(Narrower, "table %s goes", what)
		return
	}
	if shape(o) != shape(n) {
		d.add(Either, "table %s: its rows belong to people in another way: %s instead of %s", what, shape(n), shape(o))
	}
	switch {
	case o.Minor == n.Minor:
	case o.Minor.Column == "":
		d.add(Narrower, "table %s says who is a minor", what)
	case n.Minor.Column == "":
		d.add(Wider, "table %s no longer says who is a minor", what)
	default:
		d.add(Either, "table %s: another test says who is a minor", what)
	}
	for _, l := range catalog.Lenses() { // a table says how many rows it has, even when it shows no column
		switch from, to := ods.In(l) && o.In(l), nds.In(l) && n.In(l); {
		case to && !from:
			d.add(Wider, "table %s: lens %s has it", what, l)
		case from && !to:
			d.add(Narrower, "table %s: lens %s no longer has it", what, l)
		}
	}
	before, after := map[string]catalog.Column{}, map[string]catalog.Column{}
	for _, c := range o.Columns {
		before[c.Name] = c
	}
	for _, c := range n.Columns {
		after[c.Name] = c
	}
	for _, name := range union(before, after) {
		oc, was := before[name]
		nc, is := after[name]
		column := "column " + what + "." + name
		if was && is && oc.Category != nc.Category {
			d.add(Either, "%s is of category %s instead of %s, of which rules may speak", column, nc.Category, oc.Category)
		}
		said := len(d.list)
		for _, l := range catalog.Lenses() {
			from, to := shown(ods, o, oc, was, l), shown(nds, n, nc, is, l)
			if from != to {
				d.add(compare(from, to), "%s: lens %s shows %s instead of %s", column, l, inWords(to), inWords(from))
			}
		}
		if was && is && oc != nc && oc.Category == nc.Category && said == len(d.list) { // a minor's rows have it all the same
			d.add(compare(oc.Shown(catalog.Masked), nc.Shown(catalog.Masked)), "%s: masked, it shows %s instead of %s", column, inWords(nc.Shown(catalog.Masked)), inWords(oc.Shown(catalog.Masked)))
		}
	}
}

// shape is how a table hangs on people.
func shape(t *catalog.Table) string {
	s := t.Kind.String()
	if t.Key != "" {
		s += " " + t.Key
	}
	for _, p := range t.Paths {
		s += fmt.Sprintf(" %s -> %s.%s", strings.Join(p.Columns, ","), p.Parent, strings.Join(p.ParentColumns, ","))
	}
	if t.Home.Column != "" {
		s += ", home " + t.Home.Table + "." + t.Home.Column
	}
	return s
}

// shown is the mask under which a lens shows a column, empty when it does not
// have it.
func shown(ds *catalog.Dataset, t *catalog.Table, c catalog.Column, there bool, l catalog.Level) catalog.Mask {
	if !there || !ds.In(l) || !t.In(l) {
		return ""
	}
	return c.Shown(l)
}

func inWords(m catalog.Mask) string {
	switch m {
	case "", catalog.Hide:
		return "nothing"
	case catalog.Keep:
		return "it as it is"
	case catalog.Pseudonym:
		return "the person's key or pseudonym"
	}
	return "the mask " + string(m)
}

// compare says what another mask does; of two that each show a part, a person
// has to say which shows more.
func compare(from, to catalog.Mask) Effect {
	rank := func(m catalog.Mask) int {
		switch m {
		case "", catalog.Hide:
			return 0
		case catalog.Keep, catalog.Pseudonym:
			return 2
		}
		return 1
	}
	switch f, t := rank(from), rank(to); {
	case t > f:
		return Wider
	case t < f:
		return Narrower
	case t == 0:
		return Same
	}
	return Either
}
