package scan

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// table is a table of the scanned schema; its partitions are part of it.
type table struct {
	name    string
	relkind string  // r, p; v, m and f are listed and never classified
	rows    float64 // as the store estimates; negative when it was never analysed
	pages   int64
	parts   int // partitions that hold rows
	columns []*column
	uniques [][]string // columns of each unique index, the primary key's first
	primary bool       // uniques[0] is the primary key
	fks     []*fk      // sorted
	ext     bool       // belongs to an extension

	sampled int    // rows that were looked at
	note    string // why none were, or empty

	proposal
}

// column is one column and what was counted in the sample.
type column struct {
	name    string
	typ     string // as the store writes it
	family  string // see families
	array   bool
	castTo  string // the built-in type it is read as: empty, it can't be sampled
	shown   bool   // lenses can show its type
	notNull bool
	stats   stats

	guess
}

// fk is a reference from columns of a table to columns of another, each row to
// at most one row.
type fk struct {
	columns       []string
	parent        string // table; "schema.table" in another schema
	parentColumns []string
	foreign       bool   // the parent is not in the scanned schema
	notNull       bool   // no column may be null
	implied       string // how it is known without a foreign key; empty for one
	parts         bool   // partitions have the foreign key, the table has not
}

func (t *table) column(name string) *column {
	for _, c := range t.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// unique tells whether the column alone is unique.
func (t *table) unique(name string) bool {
	return slices.ContainsFunc(t.uniques, func(u []string) bool { return len(u) == 1 && u[0] == name })
}

// refers gives the first reference of the table that begins at exactly that column.
func (t *table) refers(column string) *fk {
	for _, f := range t.fks {
		if len(f.columns) == 1 && f.columns[0] == column {
			return f
		}
	}
	for _, f := range t.fks {
		if slices.Contains(f.columns, column) {
			return f
		}
	}
	return nil
}

// schema is what there is.
type schema struct {
	database string
	name     string
	tables   []*table // by name
	byName   map[string]*table
	others   []string // schemas with tables, but not this one
}

type typeRow struct {
	schema, name, kind string
	base, elem, binary uint32
}

// relation is a row of pg_class that holds rows.
type relation struct {
	oid, parent  uint32 // parent: the table of which it is a partition
	schema, name string
	kind         string
	rows         float64
	pages        int64
	ext          bool
}

// readSchema reads the shape of one schema, inside the caller's transaction.
func readSchema(ctx context.Context, q pgx.Tx, name string) (*schema, error) {
	s := &schema{name: name, byName: map[string]*table{}}
	if err := q.QueryRow(ctx, "SELECT pg_catalog.current_database()::pg_catalog.text").Scan(&s.database); err != nil {
		return nil, err
	}
	types, err := readTypes(ctx, q)
	if err != nil {
		return nil, err
	}
	all, err := readRelations(ctx, q)
	if err != nil {
		return nil, err
	}
	root := func(oid uint32) *relation {
		r := all[oid]
		for r != nil && r.parent != 0 && all[r.parent] != nil {
			r = all[r.parent]
		}
		return r
	}
	seen := map[string]bool{}
	for oid, r := range all {
		if r.schema != name {
			if r.parent == 0 && (r.kind == "r" || r.kind == "p") && !seen[r.schema] {
				seen[r.schema] = true
				s.others = append(s.others, r.schema)
			}
			continue
		}
		if root(oid) == r {
			s.byName[r.name] = &table{name: r.name, relkind: r.kind, rows: r.rows, pages: r.pages, ext: r.ext}
			s.tables = append(s.tables, s.byName[r.name])
		}
	}
	slices.Sort(s.others)
	slices.SortFunc(s.tables, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	// Of a partitioned table the size is that of its partitions, which may lie elsewhere.
	for oid, r := range all {
		top := root(oid)
		if t := s.byName[top.name]; top != r && top.schema == name && t != nil && r.kind != "p" {
			if t.parts == 0 {
				t.rows, t.pages = 0, 0
			}
			t.parts++
			t.rows += max(0, r.rows)
			t.pages += r.pages
		}
	}
	if err := s.readColumns(ctx, q, types); err != nil {
		return nil, err
	}
	return s, s.readKeys(ctx, q, root)
}

func readRelations(ctx context.Context, q pgx.Tx) (map[uint32]*relation, error) {
	rows, err := q.Query(ctx, `
		SELECT c.oid, coalesce(i.inhparent, 0), n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::float8, c.relpages::int8,
			EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`)
	if err != nil {
		return nil, err
	}
	all := map[uint32]*relation{}
	var r relation
	_, err = pgx.ForEachRow(rows, []any{&r.oid, &r.parent, &r.schema, &r.name, &r.kind, &r.rows, &r.pages, &r.ext}, func() error {
		c := r
		all[r.oid] = &c
		return nil
	})
	return all, err
}

func (s *schema) readColumns(ctx context.Context, q pgx.Tx, types map[uint32]typeRow) error {
	rows, err := q.Query(ctx, `
		SELECT c.relname::text, a.attname::text, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		ORDER BY c.relname, a.attnum`, s.name)
	if err != nil {
		return err
	}
	var of string
	var oid uint32
	var c column
	_, err = pgx.ForEachRow(rows, []any{&of, &c.name, &oid, &c.typ, &c.notNull}, func() error {
		if t := s.byName[of]; t != nil { // not a partition
			own := c
			own.resolve(types, oid)
			t.columns = append(t.columns, &own)
		}
		return nil
	})
	return err
}

// readKeys reads unique indexes and foreign keys; those of partitions count for
// the table that they are part of.
func (s *schema) readKeys(ctx context.Context, q pgx.Tx, root func(uint32) *relation) error {
	rows, err := q.Query(ctx, `
		SELECT c.relname::text, i.indisprimary, ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(n, o)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.o)
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
		ORDER BY 1, 2 DESC, 3`, s.name)
	if err != nil {
		return err
	}
	var of string
	var primary bool
	var columns []string
	if _, err = pgx.ForEachRow(rows, []any{&of, &primary, &columns}, func() error {
		if t := s.byName[of]; t != nil {
			t.primary = t.primary || primary
			t.uniques = append(t.uniques, slices.Clone(columns))
		}
		return nil
	}); err != nil {
		return err
	}
	rows, err = q.Query(ctx, `
		SELECT k.conrelid, k.confrelid,
			ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.o),
			ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o) JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.o)
		FROM pg_catalog.pg_constraint k WHERE k.contype = 'f'`)
	if err != nil {
		return err
	}
	var from, to uint32
	var own, there []string
	if _, err = pgx.ForEachRow(rows, []any{&from, &to, &own, &there}, func() error {
		child, parent := root(from), root(to)
		if child == nil || parent == nil || child.schema != s.name {
			return nil
		}
		f := &fk{columns: slices.Clone(own), parent: parent.name, parentColumns: slices.Clone(there), parts: child.oid != from}
		if parent.schema != s.name {
			f.parent, f.foreign = parent.schema+"."+parent.name, true
		}
		s.byName[child.name].refer(f)
		return nil
	}); err != nil {
		return err
	}
	for _, t := range s.tables {
		t.sortFKs()
	}
	return nil
}

// refer adds a reference once, however many partitions have it.
func (t *table) refer(f *fk) {
	f.notNull = true
	for _, name := range f.columns {
		c := t.column(name)
		f.notNull = f.notNull && c != nil && c.notNull
	}
	for _, have := range t.fks {
		if compareFKs(have, f) == 0 {
			have.parts = have.parts && f.parts
			return
		}
	}
	t.fks = append(t.fks, f)
}

// sortFKs orders references by where in the table they begin.
func (t *table) sortFKs() {
	at := func(f *fk) int {
		return slices.IndexFunc(t.columns, func(c *column) bool { return c.name == f.columns[0] })
	}
	slices.SortFunc(t.fks, func(a, b *fk) int {
		if n := at(a) - at(b); n != 0 {
			return n
		}
		return compareFKs(a, b)
	})
}

func compareFKs(a, b *fk) int {
	if n := slices.Compare(a.columns, b.columns); n != 0 {
		return n
	}
	if n := strings.Compare(a.parent, b.parent); n != 0 {
		return n
	}
	return slices.Compare(a.parentColumns, b.parentColumns)
}
