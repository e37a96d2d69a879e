package scan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What is read of a table at most.
const (
	maxRows   = 1000
	maxCells  = 100_000 // rows × columns: fewer rows of very wide tables
	maxLength = 400     // characters of a value
)

// readOnly runs f in a transaction that cannot change the store, waits for no
// lock, and is ended by the store when a statement takes too long. Nothing of
// the database's own is found by name, row security fails instead of hiding rows
// silently, and the same pages are read in the same order each time.
func readOnly(ctx context.Context, conn *pgx.Conn, timeout time.Duration, f func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	settings := fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = 2000; SET LOCAL search_path = ''; SET LOCAL row_security = off; "+
		"SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0; "+
		"SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL lc_monetary = 'C'", timeout.Milliseconds())
	if _, err := conn.PgConn().Exec(ctx, settings).ReadAll(); err != nil { // several at once
		return err
	}
	return f(tx)
}

// sample looks at rows of a table. What the store refuses becomes the table's
// note; an error is one that ends the scan.
func (t *table) sample(ctx context.Context, conn *pgx.Conn, schema string, timeout time.Duration) error {
	var read []*column
	var list []string
	for _, c := range t.columns {
		if c.castTo != "" {
			read = append(read, c)
			list = append(list, "pg_catalog.left("+ident(c.name)+"::"+c.castTo+fmt.Sprintf(", %d)", maxLength))
		}
	}
	if len(read) == 0 {
		t.note = "none of its columns has a type that can be looked at"
		return nil
	}
	limit := min(maxRows, max(20, maxCells/len(read)))
	for _, from := range t.sources(schema, limit) {
		t.sampled = 0
		for _, c := range read {
			c.stats = stats{}
		}
		err := readOnly(ctx, conn, timeout, func(tx pgx.Tx) error {
			r := conn.PgConn().ExecParams(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+from, nil, nil, nil, nil)
			for r.NextRow() {
				t.sampled++
				for i, v := range r.Values() {
					read[i].stats.look(v, read[i])
				}
			}
			_, err := r.Close()
			return err
		})
		if err != nil {
			t.sampled = 0
			for _, c := range read {
				c.stats = stats{} // of a part that nobody chose
			}
			t.note, err = refusal(ctx, err)
			return err
		}
		if t.sampled > 0 {
			break
		}
	}
	if t.rows <= 0 { // never analysed
		t.rows = float64(t.sampled)
	}
	return nil
}

// sources gives what to read from, the second when the first gives no row: some
// pages of a large table, chosen the same each time, or the first rows.
func (t *table) sources(schema string, limit int) []string {
	name := ident(schema, t.name)
	if t.relkind == "r" {
		name = "ONLY " + name
	}
	first := fmt.Sprintf("%s LIMIT %d", name, limit)
	if t.rows <= 0 || t.pages < 256 {
		return []string{first}
	}
	// Half as many again as are wanted, and at least 64 pages' worth.
	share := 150 * max(float64(limit)/t.rows, 64/float64(t.pages))
	return []string{fmt.Sprintf("%s TABLESAMPLE SYSTEM (%.9f) REPEATABLE (1) LIMIT %d", name, min(100, share), limit), first}
}

// refusal puts into words why the store did not answer, without the store's own
// words: they may quote a value. What is no answer of the store ends the scan.
func refusal(ctx context.Context, err error) (note string, fatal error) {
	var pg *pgconn.PgError
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if !errors.As(err, &pg) {
		return "", fmt.Errorf("the connection to the store broke: %w", err)
	}
	switch pg.Code {
	case "42501": // insufficient_privilege, row security among it
		return "the role that scans may not read it whole", nil
	case "57014": // query_canceled
		return "reading it took too long", nil
	case "55P03": // lock_not_available
		return "another session holds it locked", nil
	case "57P01", "57P02", "57P03": // the server goes down, or the session was ended
		return "", fmt.Errorf("the store ended the session (SQLSTATE %s)", pg.Code)
	}
	return "the store refused with SQLSTATE " + pg.Code, nil
}

// ident quotes a name, or a schema and a name.
func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }
