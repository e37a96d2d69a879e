package lens

import (
	"fmt"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// Row security, for datasets with rows: rls whose stores hold others than the
// zone's residents. PostgreSQL then adds a condition to every read of a table by
// the owner of the views: the row's person lives in the zone. It is one
// RESTRICTIVE policy for that role, which no other policy can widen, beside one
// that lets everybody else see all rows, as before.
//
// A row between several persons is shown when all of them live in the zone, and
// so is a row whose other columns name somebody. The condition reads from a table
// to the subject and never back, since policies that ask each other do not end.

// rowsOf is the condition of the rows that lenses of a dataset show of a table,
// with its columns under the table's own name; empty without row security and
// for tables without personal data.
func rowsOf(ds *catalog.Dataset, t *catalog.Table) string {
	if !ds.RowSecurity || t.Kind == catalog.Reference {
		return ""
	}
	r := &rowPolicy{ds: ds, table: t.Name}
	return r.condition(t, t.Name)
}

type rowPolicy struct {
	ds      *catalog.Dataset
	table   string // which no alias may hide
	aliases int
}

func (r *rowPolicy) alias() string {
	r.aliases++
	a := fmt.Sprintf("r%d", r.aliases)
	if a == r.table {
		return r.alias()
	}
	return a
}

func (r *rowPolicy) condition(t *catalog.Table, alias string) string {
	if t.Kind == catalog.Subject {
		residents := make([]string, len(r.ds.Zone.Residents))
		for i, c := range r.ds.Zone.Residents {
			residents[i] = literal(c)
		}
		return ident(alias, t.Home.Column) + "::text IN (" + strings.Join(residents, ", ") + ")"
	}
	var all, set []string
	named := map[string]bool{}
	for _, p := range t.Paths {
		reached := r.reached(p, alias)
		var null []string
		for _, c := range p.Columns {
			named[c] = named[c] || len(p.Columns) == 1 && p.Parent == r.ds.Subject().Name && p.ParentColumns[0] == r.ds.Subject().Key
			null = append(null, ident(alias, c)+" IS NULL")
		}
		if len(t.Paths) > 1 {
			set = append(set, "NOT ("+strings.Join(null, " OR ")+")")
			reached = "(" + strings.Join(null, " OR ") + " OR " + reached + ")"
		}
		all = append(all, reached)
	}
	if len(set) > 0 {
		all = append(all, "("+strings.Join(set, " OR ")+")")
	}
	for _, c := range t.Columns {
		if c.Category == catalog.SubjectKey && !named[c.Name] {
			s := r.ds.Subject()
			to := catalog.Path{Columns: []string{c.Name}, Parent: s.Name, ParentColumns: []string{s.Key}}
			all = append(all, "("+ident(alias, c.Name)+" IS NULL OR "+r.reached(to, alias)+")")
		}
	}
	return strings.Join(all, " AND ")
}

// reached is the condition that a path leads to a row that is shown.
func (r *rowPolicy) reached(p catalog.Path, alias string) string {
	a := r.alias()
	conditions := make([]string, len(p.Columns))
	for i := range p.Columns {
		conditions[i] = ident(a, p.ParentColumns[i]) + " = " + ident(alias, p.Columns[i])
	}
	return "EXISTS (SELECT FROM " + ident(r.ds.Schema, p.Parent) + " " + a + " WHERE " + strings.Join(conditions, " AND ") +
		" AND " + r.condition(r.ds.Table(p.Parent), a) + ")"
}
