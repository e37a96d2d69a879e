package lens

import (
	"context"
	"fmt"

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
	leading     bool   // a valid, complete index begins with it
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
	tables map[string][]storeColumn
	types  map[uint32]storeType
}

func readStore(ctx context.Context, q Querier, schema string) (*store, error) {
	s := &store{tables: map[string][]storeColumn{}, types: map[uint32]storeType{}}
	rows, err := q.Query(ctx, `
		SELECT c.relname, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod),
			EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
		ORDER BY c.relname, a.attnum`, schema)
	if err != nil {
		return nil, err
	}
	var c storeColumn
	_, err = pgx.ForEachRow(rows, []any{&c.table, &c.name, &c.typ, &c.before, &c.leading}, func() error {
		s.tables[c.table] = append(s.tables[c.table], c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the columns of schema %s: %w", schema, err)
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
