package lens

import (
	"context"
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// Report compares the catalogue with what a store really has.
type Report struct {
	UnclassifiedTables  []string // in the store, not in the catalogue: in no lens
	UnclassifiedColumns []string // "users.password", of tables that are in the catalogue
	MissingTables       []string // in the catalogue, not in the store
	MissingColumns      []string
	MissingIndexes      []string // "orders.user_id", "lines.(order_id, nr)": a look-up would read the whole table
}

// Clean tells whether the catalogue and the store agree; missing indexes are
// slow, not wrong.
func (r Report) Clean() bool {
	return len(r.UnclassifiedTables)+len(r.UnclassifiedColumns)+len(r.MissingTables)+len(r.MissingColumns) == 0
}

// Against compares a dataset with the store of the connection. Any role may call it.
func Against(ctx context.Context, q Querier, ds *catalog.Dataset) (Report, error) {
	s, err := readStore(ctx, q, ds.Schema)
	if err != nil {
		return Report{}, err
	}
	return against(ds, s), nil
}

func against(ds *catalog.Dataset, s *store) (r Report) {
	for name, columns := range s.tables {
		t := ds.Table(name)
		if t == nil {
			if ds.Table(s.partitions[name]) != nil {
				continue // read through the table it is a part of
			}
			r.UnclassifiedTables = append(r.UnclassifiedTables, name)
			continue
		}
		for _, c := range columns {
			if _, ok := t.Column(c.name); !ok {
				r.UnclassifiedColumns = append(r.UnclassifiedColumns, name+"."+c.name)
			}
		}
	}
	index := func(table string, columns ...string) {
		for _, c := range columns {
			if _, ok := s.column(table, c); !ok {
				return // reported as missing
			}
		}
		what := columns[0]
		if len(columns) > 1 {
			what = "(" + strings.Join(columns, ", ") + ")"
		}
		for _, where := range s.unindexed(table, columns) {
			if name := where + "." + what; !slices.Contains(r.MissingIndexes, name) {
				r.MissingIndexes = append(r.MissingIndexes, name)
			}
		}
	}
	minors := ds.Subject().Minor.Column != ""
	for _, t := range ds.Tables {
		if s.tables[t.Name] == nil {
			r.MissingTables = append(r.MissingTables, t.Name)
			continue
		}
		for _, c := range t.Columns {
			if _, ok := s.column(t.Name, c.Name); !ok {
				r.MissingColumns = append(r.MissingColumns, t.Name+"."+c.Name)
			}
		}
		if t.Kind == catalog.Subject {
			index(t.Name, t.Key)
		}
		for _, p := range t.Paths {
			index(t.Name, p.Columns...)
			if minors { // each row asks its parent
				index(p.Parent, p.ParentColumns...)
			}
		}
	}
	for _, list := range []*[]string{&r.UnclassifiedTables, &r.UnclassifiedColumns, &r.MissingTables, &r.MissingColumns, &r.MissingIndexes} {
		slices.Sort(*list)
	}
	return r
}
