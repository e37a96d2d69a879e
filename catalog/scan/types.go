package scan

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
)

// families are the types that are read and masked alike, by name in pg_type.
var families = map[string]string{
	"text": "text", "varchar": "text", "bpchar": "text", "name": "text",
	"int2": "int", "int4": "int", "int8": "int",
	"numeric": "number", "float4": "number", "float8": "number", "money": "money",
	"bool": "boolean", "uuid": "uuid", "date": "date",
	"timestamp": "time", "timestamptz": "time",
	"interval": "span", "time": "span", "timetz": "span",
	"tsrange": "span", "tstzrange": "span", "daterange": "span",
	"inet": "address", "cidr": "address", "macaddr": "mac", "macaddr8": "mac",
	"json": "document", "jsonb": "document", "xml": "document",
	"bytea": "bytes", "point": "point", "tsvector": "words",
}

// unread are families whose values are not looked at: bytes say nothing, and
// words and spans follow from other columns.
var unread = []string{"bytes", "words", "span", "point"}

func readTypes(ctx context.Context, q pgx.Tx) (map[uint32]typeRow, error) {
	rows, err := q.Query(ctx, `
		SELECT t.oid, n.nspname::text, t.typname::text, t.typtype::text, t.typbasetype, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END,
			coalesce((SELECT min(k.casttarget::oid::int8) FROM pg_catalog.pg_cast k WHERE k.castsource = t.oid AND k.castmethod = 'b' AND k.casttarget < 16384), 0)::oid
		FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype <> 'c'`)
	if err != nil {
		return nil, err
	}
	types := map[uint32]typeRow{}
	var oid uint32
	var t typeRow
	_, err = pgx.ForEachRow(rows, []any{&oid, &t.schema, &t.name, &t.kind, &t.base, &t.elem, &t.binary}, func() error {
		types[oid] = t
		return nil
	})
	return types, err
}

// resolve finds the family of a column's type: domains stand for their base
// type, citext and its like for the built-in type they are stored as.
func (c *column) resolve(types map[uint32]typeRow, oid uint32) {
	t := types[oid]
	for t.kind == "d" {
		t = types[t.base]
	}
	if t.elem != 0 {
		c.array = true
		t = types[t.elem]
		for t.kind == "d" {
			t = types[t.base]
		}
	}
	if t.binary != 0 && t.schema != "pg_catalog" {
		t = types[t.binary]
	}
	switch {
	case t.kind == "e":
		c.family, c.shown = "enum", true
	case t.schema == "pg_catalog":
		c.family, c.shown = families[t.name], true
		if c.family != "" && !slices.Contains(unread, c.family) {
			c.castTo = "pg_catalog.text"
		}
	}
	if c.family == "" {
		c.family = "other"
	}
}

// fits tells whether a mask can be computed for the column; hide always can.
// Package lens has the SQL, and a test compiles what is proposed here.
func (c *column) fits(m catalog.Mask) bool {
	switch m {
	case catalog.Hide, catalog.Pseudonym:
		return true
	case catalog.Keep:
		return c.shown
	case catalog.Email, catalog.Phone, catalog.PersonName:
		return c.family == "text"
	case catalog.Length:
		return c.family == "text" || c.family == "document" || c.family == "bytes"
	case catalog.IP:
		return c.family == "text" || c.family == "address"
	case catalog.Year:
		return c.family == "text" || c.family == "date" || c.family == "time"
	case catalog.Coarse:
		return c.family == "number" || c.family == "point"
	}
	return false
}

// key tells whether values of the column can be a subject's key.
func (c *column) key() bool {
	return !c.array && (c.family == "int" || c.family == "uuid" || c.family == "text")
}
