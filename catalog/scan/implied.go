package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A reference that nobody declared is proposed when the column is named after
// the key it holds, the types agree, and nearly all sampled values are keys
// there. Every one asks for a person's look.

// candidate is a key that columns can be named after.
type candidate struct {
	t   *table
	key *column
}

// implied adds such references.
func (s *schema) implied(ctx context.Context, conn *pgx.Conn, timeout time.Duration) error {
	names := map[string][]candidate{}
	for _, t := range s.tables {
		if !t.usable() {
			continue
		}
		for _, u := range t.uniques {
			if len(u) != 1 {
				continue
			}
			c := t.column(u[0])
			if c == nil || !c.key() {
				continue
			}
			plain, key := parse(t.name), parse(c.name).whole
			one := singular(plain.whole)
			known := []string{plain.whole + key, one + key}
			if strings.Contains(key, one) {
				known = append(known, key) // customer.customer_id
			}
			slices.Sort(known)
			for _, n := range slices.Compact(known) {
				if n != "id" {
					names[n] = append(names[n], candidate{t, c})
				}
			}
		}
	}
	for _, t := range s.tables {
		if !t.usable() {
			continue
		}
		for _, c := range t.columns {
			for _, k := range names[parse(c.name).whole] {
				if k.t == t || c.family != k.key.family || c.array || t.refers(c.name) != nil || t.unique(c.name) && len(names[parse(c.name).whole]) > 1 {
					continue
				}
				f := &fk{columns: []string{c.name}, parent: k.t.name, parentColumns: []string{k.key.name}, notNull: c.notNull}
				of, hits, err := t.contained(ctx, conn, s.name, f, timeout)
				if err != nil {
					return err
				}
				switch {
				case of == 0:
					f.implied = "no foreign key says so, its name does"
				case hits*100 >= of*98:
					f.implied = "no foreign key says so; its name does, and nearly all sampled values are keys there"
				default:
					continue
				}
				t.fks = append(t.fks, f)
			}
		}
		t.sortFKs()
	}
	return nil
}

// contained counts sampled values of a reference, and how many of them exist at
// the other end.
func (t *table) contained(ctx context.Context, conn *pgx.Conn, schema string, f *fk, timeout time.Duration) (of, hits int, err error) {
	sql := fmt.Sprintf("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE EXISTS (SELECT FROM %s p WHERE p.%s = s.k)) FROM (SELECT %s AS k FROM %s) s WHERE s.k IS NOT NULL",
		ident(schema, f.parent), ident(f.parentColumns[0]), ident(f.columns[0]), t.sources(schema, maxRows/2)[0])
	return counts(ctx, conn, sql, timeout)
}

// agree counts sampled rows in which two ways to the subject are set, and those
// in which they lead to the same one: directly, and through a table that hangs
// on the subject itself.
func (t *table) agree(ctx context.Context, conn *pgx.Conn, schema string, direct, other, onwards *fk, timeout time.Duration) (of, same int, err error) {
	var join []string
	for i, c := range other.columns {
		join = append(join, "p."+ident(other.parentColumns[i])+" = s."+ident(c))
	}
	var equal, set []string
	for i, c := range direct.columns {
		equal = append(equal, "p."+ident(onwards.columns[i])+" = s."+ident(c))
		set = append(set, "s."+ident(c)+" IS NOT NULL")
	}
	sql := fmt.Sprintf("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE %s) FROM (SELECT * FROM %s) s JOIN %s p ON %s WHERE %s",
		strings.Join(equal, " AND "), t.sources(schema, maxRows/2)[0], ident(schema, other.parent), strings.Join(join, " AND "), strings.Join(set, " AND "))
	return counts(ctx, conn, sql, timeout)
}

// counts runs a query of two counts; what the store refuses counts nothing.
func counts(ctx context.Context, conn *pgx.Conn, sql string, timeout time.Duration) (a, b int, err error) {
	err = readOnly(ctx, conn, timeout, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sql).Scan(&a, &b) })
	if err != nil {
		_, err = refusal(ctx, err)
		return 0, 0, err
	}
	return a, b, nil
}
