package lens

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Querier is a connection or a transaction of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// storeColumn is a column as the live store has it.
type storeColumn struct {
	table, name string
	typ         uint32
	before      string // the type as the store writes it
}

// storeType is a row of pg_type, as far as lenses need it.
type storeType struct {
	oid              uint32
	schema, written  string
	kind             string // typtype: b base, c composite, d domain, e enum …
	baseOID, elemOID uint32
	binary           uint32 // a built-in type it may be read as without a function, such as text for citext
}

// store is what a live schema holds: tables in order of name with their columns
// in order of position.
type store struct {
	tables     map[string][]storeColumn
	partitions map[string]string     // the table of which a partition is part
	leaves     map[string][]string   // the partitions of a table that hold rows, in order of name
	indexes    map[string][][]string // of a table: the columns of each valid, complete index, up to the first expression
	types      map[uint32]storeType
}

func readStore(ctx context.Context, q Querier, schema string) (*store, error) {
	s := &store{tables: map[string][]storeColumn{}, types: map[uint32]storeType{}}
	rows, err := q.Query(ctx, `
		SELECT c.relname, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
		ORDER BY c.relname, a.attnum`, schema)
	if err != nil {
		return nil, err
	}
	var c storeColumn
	_, err = pgx.ForEachRow(rows, []any{&c.table, &c.name, &c.typ, &c.before}, func() error {
		s.tables[c.table] = append(s.tables[c.table], c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the columns of schema %s: %w", schema, err)
	}
	if err := s.readShape(ctx, q, schema); err != nil {
		return nil, err
	}
	rows, err = q.Query(ctx, `
		SELECT t.oid, n.nspname, format_type(t.oid, NULL), t.typtype::text, t.typbasetype, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END,
			coalesce((SELECT min(k.casttarget::oid::bigint) FROM pg_cast k WHERE k.castsource = t.oid AND k.castmethod = 'b' AND k.casttarget < 16384), 0)
		FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
		WHERE t.typtype <> 'c' OR t.oid IN (SELECT a.atttypid FROM pg_attribute a WHERE a.attnum > 0)`)
	if err != nil {
		return nil, err
	}
	var t storeType
	var binary int64
	_, err = pgx.ForEachRow(rows, []any{&t.oid, &t.schema, &t.written, &t.kind, &t.baseOID, &t.elemOID, &binary}, func() error {
		t.binary = uint32(binary)
		s.types[t.oid] = t
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading types: %w", err)
	}
	return s, nil
}

// readShape reads which tables are partitions, and the indexes.
func (s *store) readShape(ctx context.Context, q Querier, schema string) error {
	s.partitions, s.leaves, s.indexes = map[string]string{}, map[string][]string{}, map[string][][]string{}
	rows, err := q.Query(ctx, `
		SELECT c.relname, r.relname, c.relkind <> 'p' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class r ON r.oid = pg_partition_root(c.oid)
		WHERE n.nspname = $1 AND c.relispartition AND c.relkind IN ('r', 'p', 'f') ORDER BY 1`, schema)
	if err != nil {
		return err
	}
	var table, root string
	var leaf bool
	if _, err = pgx.ForEachRow(rows, []any{&table, &root, &leaf}, func() error {
		s.partitions[table] = root
		if leaf {
			s.leaves[root] = append(s.leaves[root], table)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("reading the partitions of schema %s: %w", schema, err)
	}
	rows, err = q.Query(ctx, `
		SELECT c.relname, array_agg(coalesce(a.attname::text, '') ORDER BY k.place)
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
			unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(attnum, place)
			LEFT JOIN LATERAL (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0) a ON true
		WHERE n.nspname = $1 AND i.indisvalid AND i.indpred IS NULL GROUP BY c.relname, i.indexrelid ORDER BY 1, 2`, schema)
	if err != nil {
		return err
	}
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&table, &columns}, func() error {
		s.indexes[table] = append(s.indexes[table], slices.Clone(columns))
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the indexes of schema %s: %w", schema, err)
	}
	return nil
}

// indexed tells whether an index of the table begins with the columns, in any
// order, and serves a look-up by keys. Those of citext and character do not: the
// views compare such columns as text.
func (s *store) indexed(table string, columns []string) bool {
	for _, name := range columns {
		c, ok := s.column(table, name)
		if shown, cast, fits := s.shownType(c.typ); ok && fits && (shown == "character" || cast && s.base(c.typ).schema != "pg_catalog") {
			return false
		}
	}
	for _, i := range s.indexes[table] {
		if len(i) < len(columns) {
			continue
		}
		all := true
		for _, c := range columns {
			all = all && slices.Contains(i[:len(columns)], c)
		}
		if all {
			return true
		}
	}
	return false
}

// unindexed gives where an index on the columns is missing: nowhere, in the
// table, or, when some of its partitions have one of their own, in the others.
func (s *store) unindexed(table string, columns []string) []string {
	if s.indexed(table, columns) {
		return nil
	}
	var without []string
	for _, part := range s.leaves[table] {
		if !s.indexed(part, columns) {
			without = append(without, part)
		}
	}
	if len(without) == len(s.leaves[table]) { // all, or it has none
		return []string{table}
	}
	return without
}

// column finds a column of a table.
func (s *store) column(table, name string) (storeColumn, bool) {
	for _, c := range s.tables[table] {
		if c.name == name {
			return c, true
		}
	}
	return storeColumn{}, false
}

// shownType is the type a lens shows: domains become their base type, types of
// extensions the built-in type they are stored as; enums stay. A session has
// only the lens schema on its path, where operators of another schema's types
// are not found and citext would compare case-sensitively without an error.
// cast tells whether the column must be cast; ok is false for types that cannot
// be shown without running code of an extension.
func (s *store) shownType(oid uint32) (name string, cast, ok bool) {
	t, found := s.types[oid]
	if !found {
		return "", false, false
	}
	switch {
	case t.kind == "d":
		name, _, ok = s.shownType(t.baseOID)
		return name, true, ok
	case t.kind == "e":
		return t.written, false, true
	case t.elemOID != 0:
		name, cast, ok = s.shownType(t.elemOID)
		return name + "[]", cast, ok
	case t.schema == "pg_catalog" && t.kind != "c":
		return t.written, false, true
	case t.binary != 0:
		name, _, ok = s.shownType(t.binary)
		return name, true, ok
	}
	return "", false, false
}

// base is the type that a domain, or a domain over one, stands for.
func (s *store) base(oid uint32) storeType {
	t := s.types[oid]
	for t.kind == "d" {
		t = s.types[t.baseOID]
	}
	return t
}

// keyType gives the column of trefoil.scope that holds keys of a shown type,
// without its prefix; empty when such keys cannot name a subject.
func keyType(shown string) string {
	switch shown {
	case "smallint", "integer", "bigint":
		return "int"
	case "uuid":
		return "uuid"
	}
	if family(shown) == "text" {
		return "text"
	}
	return ""
}
