package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// gopher is pgx as a client: its programs are tests' own.
type gopher struct {
	s *stage
	b brief
	t *testing.T
	c *pgx.Conn
}

func runPgx(t *testing.T, s *stage, b brief) map[string]answer {
	g := &gopher{s: s, b: b, t: t}
	var err error
	if g.c, err = g.dial(b.Bulk, ""); err != nil {
		t.Fatal(err)
	}
	defer g.c.Close(t.Context())
	answers := map[string]answer{}
	for capability, f := range map[string]func(context.Context) (any, error){
		"queries": g.queries, "parameters": g.parameters, "transactions": g.transactions, "copy out": g.copyOut, "binary copy": g.binaryCopy,
		"cancel": g.cancel, "pipelining": g.pipelining, "binary results": g.binary, "prepared statements": g.prepared, "large result by parts": g.large,
		"verify-full": g.verifyFull, "channel binding": g.binding, "errors": g.errors, "SQLSTATE of a refused login": g.refusedLogin,
		"end of the grant": g.ending, "metadata": g.metadata,
	} {
		got, err := f(t.Context())
		a := answer{Capability: capability}
		if err != nil {
			a.Error = err.Error()
		} else if a.Got, err = json.Marshal(got); err != nil {
			t.Fatal(err)
		}
		answers[capability] = a
	}
	return answers
}

// dial connects; more goes to the end of the connection string.
func (g *gopher) dial(as login, more string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=verify-full sslrootcert=%s %s", g.b.Host, g.b.Port, as.User, g.b.Database, g.b.CA, more))
	if err != nil {
		return nil, err
	}
	cfg.Password = as.Password
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{g.b.Address}, nil }
	cfg.DialFunc = (&net.Dialer{}).DialContext
	return pgx.ConnectConfig(g.t.Context(), cfg)
}

func (g *gopher) sql(template string) string { return strings.ReplaceAll(template, "{}", "$1") }

// column is the first column of a result.
func (g *gopher) column(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := g.c.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (g *gopher) count(ctx context.Context, c *pgx.Conn) (string, error) {
	var n int64
	err := c.QueryRow(ctx, g.b.SQL.Count).Scan(&n)
	return fmt.Sprint(n), err
}

func sqlstate(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func (g *gopher) queries(ctx context.Context) (any, error) {
	read := func(c *pgx.Conn, sql string) ([][]string, error) {
		rows, err := c.Query(ctx, sql)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(r pgx.CollectableRow) ([]string, error) {
			var id int64
			var country, email string
			err := r.Scan(&id, &country, &email)
			return []string{fmt.Sprint(id), country, email}, err
		})
	}
	bulk, err := read(g.c, g.b.SQL.People)
	if err != nil {
		return nil, err
	}
	c, err := g.dial(g.b.Case, "")
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	one, err := read(c, g.b.SQL.Export)
	return map[string]any{"bulk": bulk, "case": one}, err
}

func (g *gopher) parameters(ctx context.Context) (any, error) {
	var n int64
	err := g.c.QueryRow(ctx, g.sql(g.b.SQL.Where), "IE").Scan(&n)
	return map[string]any{"IE": fmt.Sprint(n)}, err
}

func (g *gopher) transactions(ctx context.Context) (any, error) {
	got := map[string]string{}
	begin := func() pgx.Tx {
		tx, err := g.c.Begin(ctx)
		if err != nil {
			g.t.Fatal(err)
		}
		return tx
	}
	count := func(what string) {
		n, err := g.count(ctx, g.c)
		if err != nil {
			n = sqlstate(err)
		}
		got[what] = n
	}
	fail := func(tx pgx.Tx, what, sql string) {
		_, err := tx.Exec(ctx, sql)
		got[what] = sqlstate(err)
	}
	tx := begin()
	count("committed")
	if err := tx.Commit(ctx); err != nil {
		return nil, err
	}
	tx = begin()
	fail(tx, "failed", "SELECT 1 / (SELECT 0)")
	count("aborted")
	if err := tx.Rollback(ctx); err != nil {
		return nil, err
	}
	count("rolled back")
	tx = begin()
	inner, err := tx.Begin(ctx) // a savepoint
	if err != nil {
		return nil, err
	}
	fail(inner, "", "SELECT 1 / (SELECT 0)")
	if err := inner.Rollback(ctx); err != nil {
		return nil, err
	}
	count("savepoint")
	fail(tx, "refused", "EXPLAIN SELECT 1")
	count("still aborted")
	if err := tx.Commit(ctx); !errors.Is(err, pgx.ErrTxCommitRollback) {
		return nil, fmt.Errorf("a failed transaction was committed: %w", err)
	}
	count("after")
	delete(got, "")
	return got, nil
}

func (g *gopher) copyOut(ctx context.Context) (any, error) { return g.export(ctx, "") }

func (g *gopher) binaryCopy(ctx context.Context) (any, error) {
	return g.export(ctx, " (FORMAT binary)")
}

func (g *gopher) export(ctx context.Context, options string) (any, error) {
	var out bytes.Buffer
	_, err := g.c.PgConn().CopyTo(ctx, &out, "COPY ("+g.b.SQL.Export+") TO STDOUT"+options)
	return map[string]any{"sha256": digest(out.Bytes())}, err
}

func (g *gopher) cancel(ctx context.Context) (any, error) {
	done := make(chan error)
	go func() {
		_, err := g.c.Exec(ctx, "SELECT pg_sleep(60) /* cancel-pgx */")
		done <- err
	}()
	g.s.await(g.t, "sleep cancel-pgx")
	if err := g.c.PgConn().CancelRequest(ctx); err != nil {
		return nil, err
	}
	state := sqlstate(<-done)
	n, err := g.count(ctx, g.c)
	return map[string]any{"cancelled": state, "after": n}, err
}

func (g *gopher) pipelining(ctx context.Context) (any, error) {
	send := func(with ...string) (countries []string, err error) {
		batch := &pgx.Batch{}
		for _, id := range g.b.IDs {
			batch.Queue(g.sql(g.b.SQL.Country), id)
		}
		for _, sql := range with {
			batch.Queue(sql)
		}
		// Without preparing first: all of it is on its way before the first answer.
		res := g.c.SendBatch(ctx, batch)
		for range g.b.IDs {
			var country string
			if err := res.QueryRow().Scan(&country); err != nil {
				return nil, errors.Join(err, res.Close())
			}
			countries = append(countries, country)
		}
		return countries, res.Close()
	}
	g.c.Config().DefaultQueryExecMode = pgx.QueryExecModeExec
	countries, err := send()
	if err != nil {
		return nil, err
	}
	_, refused := send("EXPLAIN SELECT 1", g.b.SQL.Count)
	n, err := g.count(ctx, g.c)
	return map[string]any{"countries": countries, "refused": sqlstate(refused), "after": n}, err
}

func (g *gopher) binary(ctx context.Context) (any, error) {
	rows, err := g.c.Query(ctx, g.b.SQL.Values)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	format := "binary"
	if !rows.Next() {
		return nil, fmt.Errorf("no row: %w", rows.Err())
	}
	for _, f := range rows.FieldDescriptions() {
		if f.Format != pgx.BinaryFormatCode && f.Name != "title" { // a text's bytes are the same in both
			format = "text: " + f.Name
		}
	}
	var v valuesRow
	if err := rows.Scan(&v.id, &v.seconds, &v.lat, &v.at, &v.title, &v.north); err != nil {
		return nil, err
	}
	return map[string]any{"format": format, "values": v.texts()}, nil
}

func (g *gopher) prepared(ctx context.Context) (any, error) {
	if _, err := g.c.Prepare(ctx, "country", g.sql(g.b.SQL.Country)); err != nil {
		return nil, err
	}
	var countries []string
	for range 4 {
		for _, id := range g.b.IDs {
			got, err := g.column(ctx, "country", id)
			if err != nil {
				return nil, err
			}
			countries = append(countries, got...)
		}
	}
	var held bool
	err := g.c.QueryRow(ctx, g.b.SQL.Prepared).Scan(&held)
	return map[string]any{"countries": countries, "on the server": held}, err
}

// pgx has no fetch size: it streams. A cursor in SQL bounds what is under way.
func (g *gopher) large(ctx context.Context) (any, error) {
	tx, err := g.c.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, "DECLARE large NO SCROLL CURSOR FOR "+g.b.SQL.Large); err != nil {
		return nil, err
	}
	var n, sum int64
	var country string
	for {
		var i int64
		rows, err := tx.Query(ctx, "FETCH 10000 FROM large")
		if err != nil {
			return nil, err
		}
		tag, err := pgx.ForEachRow(rows, []any{&i, &country}, func() error { sum += i; return nil })
		if err != nil {
			return nil, err
		}
		if tag.RowsAffected() == 0 {
			break
		}
		n += tag.RowsAffected()
	}
	return map[string]any{"rows": fmt.Sprint(n), "sum": fmt.Sprint(sum), "country": country}, tx.Commit(ctx)
}

func (g *gopher) verifyFull(ctx context.Context) (any, error) {
	got := map[string]string{}
	for what, more := range map[string]string{"gate": "", "another authority": "sslrootcert=" + g.b.OtherCA, "another name": "host=" + g.b.OtherName} {
		c, err := g.dial(g.b.Bulk, more)
		if err != nil {
			got[what] = "refused"
			if !strings.Contains(err.Error(), "x509:") {
				return nil, err
			}
			continue
		}
		if got[what], err = g.count(ctx, c); err != nil {
			return nil, err
		}
		_ = c.Close(ctx)
	}
	return got, nil
}

func (g *gopher) binding(ctx context.Context) (any, error) {
	c, err := g.dial(g.b.Bulk, "channel_binding=require")
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	n, err := g.count(ctx, c)
	return map[string]any{"required": n}, err
}

func (g *gopher) errors(ctx context.Context) (any, error) {
	var codes []string
	for _, sql := range g.b.SQL.Errors {
		_, err := g.c.Exec(ctx, sql)
		codes = append(codes, sqlstate(err))
	}
	_, err := g.c.Exec(ctx, g.b.SQL.Outside)
	var e *pgconn.PgError
	errors.As(err, &e)
	n, err := g.count(ctx, g.c)
	return map[string]any{"sqlstates": codes, "hint": hint(e.Hint), "after": n}, err
}

func (g *gopher) refusedLogin(context.Context) (any, error) {
	_, err := g.dial(login{g.b.Bulk.User, "wrong"}, "")
	return map[string]any{"sqlstate": sqlstate(err)}, nil
}

func (g *gopher) ending(ctx context.Context) (any, error) {
	c, err := g.dial(g.b.Ending, "")
	if err != nil {
		return nil, err
	}
	done := make(chan error)
	go func() {
		_, err := c.Exec(ctx, "SELECT pg_sleep(60) /* end-pgx */")
		done <- err
	}()
	g.s.await(g.t, "sleep end-pgx")
	g.s.await(g.t, "revoke pgx")
	return map[string]any{"sqlstate": sqlstate(<-done)}, nil
}

func (g *gopher) metadata(ctx context.Context) (any, error) {
	views, err := g.column(ctx, g.b.SQL.Views)
	if err != nil {
		return nil, err
	}
	columns, err := g.column(ctx, g.b.SQL.Columns)
	return map[string]any{"views": views, "columns": columns}, err
}
