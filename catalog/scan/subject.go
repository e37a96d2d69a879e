package scan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// candidateSubject is a table whose rows may be the data subjects.
type candidateSubject struct {
	t      *table
	key    string
	points int
	why    string
}

// personal are the categories that, in a column of a table, speak for its rows
// being persons or something of theirs.
var personal = []catalog.Category{catalog.Birth, catalog.Contact, catalog.Credential, catalog.Identity, catalog.Location, catalog.Minor,
	catalog.Network, catalog.Special}

// strong lists, sorted, the personal categories that a table's columns have for
// more than a vague reason.
func (t *table) strong() []string {
	var list []string
	for _, c := range t.columns {
		if !c.vague && slices.Contains(personal, c.category) {
			list = append(list, string(c.category))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// persons tells whether the rows of a table look like persons.
func (t *table) persons() bool {
	has := t.strong()
	n := parse(t.name)
	return len(has) >= 2 && slices.Contains(has, string(catalog.Identity)) || len(has) >= 1 && (n.has(subjects) != "" || n.has(staff) != "")
}

// chooseSubject ranks the candidates and takes the first, or the one asked for.
func (d *Draft) chooseSubject() error {
	hang := map[string]int{} // tables that point at one
	for _, t := range d.schema.tables {
		seen := map[string]bool{t.name: true}
		for _, f := range t.fks {
			if !seen[f.parent] {
				seen[f.parent] = true
				hang[f.parent]++
			}
		}
	}
	for _, t := range d.schema.tables {
		if c := d.rank(t, hang[t.name]); c != nil {
			d.candidates = append(d.candidates, c)
		}
	}
	slices.SortStableFunc(d.candidates, func(a, b *candidateSubject) int { return cmp.Compare(b.points, a.points) })
	d.candidates = d.candidates[:min(5, len(d.candidates))]
	if d.options.Subject != "" {
		return d.take(d.options.Subject)
	}
	if len(d.candidates) == 0 {
		return fault.New(fault.Conflict, "no table of schema %q can be told to hold the data subjects", d.schema.name).
			WithHint("name the table and its key: trefoil catalog scan --subject TABLE.COLUMN …")
	}
	d.subject, d.key = d.candidates[0].t, d.candidates[0].key
	return nil
}

// rank gives a table its points, or nil when its rows can't be subjects.
func (d *Draft) rank(t *table, hang int) *candidateSubject {
	if !t.usable() {
		return nil
	}
	key := d.subjectKey(t)
	n := parse(t.name)
	has := t.strong()
	var why []string
	points := 3 * len(has)
	if len(has) > 0 {
		why = append(why, "columns look like "+strings.Join(has, ", "))
	}
	switch {
	case n.has(subjects) != "":
		points += 5
		why = append(why, "named like people")
	case n.has(staff) != "":
		points -= 3
		why = append(why, "named like staff")
	case len(has) < 2:
		return nil
	}
	if t.rows >= few { // subjects are many
		points += min(4, int(math.Log10(t.rows)))
	}
	if hang > 0 {
		points += 2 * min(hang, 5)
		why = append(why, plural(hang, "table points", "tables point")+" at it")
	}
	for _, f := range t.fks {
		if p := d.schema.byName[f.parent]; p != nil && p != t && f.notNull && p.usable() && p.persons() {
			points -= 4
			why = append(why, "points at "+shown(p.name)+", which looks like people too")
			break
		}
	}
	if key == "" || points < 5 {
		return nil
	}
	return &candidateSubject{t, key, points, strings.Join(why, "; ")}
}

// subjectKey picks the unique column of a table that the most references hold,
// the primary key before others.
func (d *Draft) subjectKey(t *table) string {
	uses := func(name string) (n int) {
		for _, o := range d.schema.tables {
			for _, f := range o.fks {
				if f.parent == t.name && len(f.parentColumns) == 1 && f.parentColumns[0] == name {
					n++
				}
			}
		}
		return n
	}
	best, most := "", -1
	for _, u := range t.uniques {
		if len(u) != 1 || !sayable(u) {
			continue
		}
		if c := t.column(u[0]); c != nil && c.key() {
			if n := uses(u[0]); n > most {
				best, most = u[0], n
			}
		}
	}
	return best
}

// take makes the table, or the table and column, that was asked for the subject.
func (d *Draft) take(what string) error {
	t, key := d.schema.byName[what], ""
	if t == nil {
		name, column, _ := strings.Cut(what, ".")
		if t, key = d.schema.byName[name], column; t != nil && t.column(column) == nil {
			return fault.New(fault.BadInput, "table %q has no column %q", name, column)
		}
	}
	if t == nil || !t.usable() {
		f := fault.New(fault.BadInput, "schema %q has no table %q that could hold the data subjects", d.schema.name, what)
		for _, c := range d.candidates {
			f.Detail = append(f.Detail, fmt.Sprintf("%s.%s: %s", shown(c.t.name), shown(c.key), c.why))
		}
		return f.WithHint("trefoil catalog scan --subject TABLE.COLUMN …")
	}
	if key == "" {
		key = d.subjectKey(t)
	}
	if key == "" {
		return fault.New(fault.BadInput, "table %q has no unique key of one column", t.name).WithHint("say which column names its people: trefoil catalog scan --subject TABLE.COLUMN …")
	}
	if c := t.column(key); !c.key() || !sayable([]string{key}) {
		return fault.New(fault.BadInput, "column %q of table %q is %s; the key of a subject is an integer, a uuid or a text", key, t.name, c.typ)
	}
	d.subject, d.key = t, key
	return nil
}
