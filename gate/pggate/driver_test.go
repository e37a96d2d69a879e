package pggate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

func TestPgxReadsInEveryMode(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		c := w.connect("")
		for range 3 {
			rows, err := c.Query(ctx, "select name from people where id = any($1) order by id", mode, []int32{3, 5})
			if err != nil {
				t.Fatal(mode, err)
			}
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || !slices.Equal(got, []string{"person 3", "person 5"}) {
				t.Errorf("%v: %v %v", mode, got, err)
			}
		}
	}
}

func TestPgxBatchAndParameters(t *testing.T) {
	w := newWorld(t)
	c := w.connect("")
	b := &pgx.Batch{}
	b.Queue("select $1::text", "first")
	b.Queue("select $1::int", 2)
	b.Queue("select $1::text", nil)
	res := c.SendBatch(context.Background(), b)
	var one string
	var two int
	var three *string
	for _, dst := range []any{&one, &two, &three} {
		if err := res.QueryRow().Scan(dst); err != nil {
			t.Fatal(err)
		}
	}
	if err := res.Close(); err != nil {
		t.Fatal(err)
	}
	if one != "first" || two != 2 || three != nil {
		t.Error(one, two, three)
	}
	s := w.session(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	var params []Param
	for _, st := range s.statements {
		if st.Protocol == Extended {
			params = append(params, st.Params...)
		}
	}
	if len(params) != 3 || string(params[0].Value) != "first" || params[1].Format != 1 || string(params[1].Value) != "\x00\x00\x00\x02" || params[2].Value != nil {
		t.Errorf("recorded parameters: %+v", params)
	}
}

func TestPgxRefusedInATransaction(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	c := w.connect("")
	tx, err := c.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(ctx, "explain select $1::int", 1)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "0A000" || e.Hint == "" {
		t.Fatalf("got %v", err)
	}
	_, err = tx.Exec(ctx, "select 1")
	equal(t, "the block has failed", state(err), "25P02")
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, "select 1"); err != nil {
		t.Fatal(err)
	}
}

func TestTheDeskCanRefuseAStatement(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	c := w.connect("")
	s := w.session(0)
	set := func(err error) { s.mu.Lock(); s.fail = err; s.mu.Unlock() }
	set(fault.New(fault.Denied, "not after six o'clock"))
	_, err := c.Exec(ctx, "select 1", pgx.QueryExecModeSimpleProtocol)
	equal(t, "simple", state(err), "42501")
	set(nil)
	if _, err := c.Prepare(ctx, "s", "select 1"); err != nil {
		t.Fatal(err)
	}
	set(fault.New(fault.Denied, "not after six o'clock"))
	_, err = c.Exec(ctx, "s")
	equal(t, "extended", state(err), "42501")
	set(nil)
	if _, err := c.Exec(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	equal(t, "refusals recorded", len(s.refused), 2)
}

func TestPgxCancels(t *testing.T) {
	for version, size := range map[string]int{"3.0": 4, "3.2": 32} {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t)
			c := w.connect("&max_protocol_version=" + version)
			equal(t, "bytes of the key", len(c.PgConn().SecretKey()), size)
			cancels(t, w, c)
		})
	}
}

func cancels(t *testing.T, w *world, c *pgx.Conn) {
	done := make(chan error, 1)
	go func() {
		_, err := c.PgConn().Exec(context.Background(), "select pg_sleep(60)").ReadAll()
		done <- err
	}()
	w.awaitSleep()
	if err := c.PgConn().CancelRequest(context.Background()); err != nil {
		t.Fatal(err)
	}
	equal(t, "error", state(<-done), "57014")
	if _, err := c.Exec(context.Background(), "select 1"); err != nil {
		t.Error(err)
	}
	// One that comes late must not hit what comes next.
	for range 50 {
		if err := c.PgConn().CancelRequest(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(context.Background(), "select 1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAForeignCancelKeyDoesNothing(t *testing.T) {
	w := newWorld(t)
	for i, version := range []string{"3.0", "3.2"} {
		c := w.connect("&max_protocol_version=" + version).PgConn()
		own := binary.BigEndian.AppendUint32(nil, c.PID())
		key := c.SecretKey()
		other := bytes.Clone(key)
		other[len(other)-1] ^= 1
		for _, key := range [][]byte{other, key[:len(key)-1], append(bytes.Clone(key), 0), make([]byte, 4), make([]byte, 32), {}} {
			w.gate.cancelRequest(append(bytes.Clone(own), key...))
		}
		w.gate.cancelRequest(append([]byte{0, 0, 0, 1}, key...))
		w.gate.cancelRequest(append([]byte{0, 0, 0, 0}, key...))
		equal(t, "cancels", w.session(i).cancels.Load(), 0)
		w.gate.cancelRequest(append(bytes.Clone(own), key...))
		equal(t, "cancels with the key itself", w.session(i).cancels.Load(), 1)
	}
}

func TestErrorsAreRedacted(t *testing.T) {
	w := newWorld(t)
	w.exec(w.admin(), `
		DROP TABLE IF EXISTS secret CASCADE; DROP FUNCTION IF EXISTS put, cast_it;
		CREATE TABLE secret(id int, name text UNIQUE);
		INSERT INTO secret VALUES (1, 'hidden value');
		CREATE FUNCTION put() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO secret VALUES (2, 'hidden value') RETURNING id $$;
		CREATE FUNCTION cast_it(t text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN t::int; END $$`)
	c := w.connect("")
	var e *pgconn.PgError
	_, err := c.Exec(context.Background(), "select put()")
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Code != "23505" || e.Detail != "" || e.Where != "" || e.ConstraintName != "" || e.TableName != "" {
		t.Errorf("%+v", e)
	}
	_, err = c.Exec(context.Background(), "select cast_it('abc')")
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Code != "22P02" || e.Message != `invalid input syntax for type integer: "abc"` || e.Where != "" {
		t.Errorf("%+v", e)
	}
}

func TestAChangedEncodingEndsTheSession(t *testing.T) {
	for _, sql := range []string{
		"select set_config('client'||'_encoding', 'LATIN1', false)",
		"select set_config('standard_conforming'||'_strings', 'off', false)",
	} {
		w := newWorld(t)
		r := w.raw()
		r.send(query(sql))
		for {
			kind, body := r.next()
			if kind == msgError {
				contains(t, body, "SFATAL", "must stay")
				break
			}
			if kind == msgReady {
				t.Fatal("the session goes on")
			}
		}
		<-w.session(0).closed
	}
}

func TestARefusalAtOpeningIsToldInWords(t *testing.T) {
	w := newWorld(t)
	w.desk.refuse = fault.New(fault.Ambiguous, "2 grants fit").WithHint("connect with user=anna~g-aaab or user=anna~g-aaac")
	_, err := pgx.Connect(context.Background(), w.url(""))
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "3D000" || e.Hint != w.desk.refuse.Hint {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorThatQuotesALargeValueIsPassedOn(t *testing.T) {
	w := newWorld(t)
	c := w.connect("")
	value := strings.Repeat("x", 3<<20)
	_, err := c.Exec(context.Background(), "select $1::text::int", pgx.QueryExecModeExec, value)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "22P02" || !strings.Contains(e.Message, value) {
		t.Errorf("%.200v", err)
	}
	_, err = c.Exec(context.Background(), "select $1::text", pgx.QueryExecModeExec, value+value)
	equal(t, "larger than a message may be", state(err), "54000")
}

func TestPermissionDeniedNamesTheWayOn(t *testing.T) {
	w := newWorld(t)
	_, err := w.connect("").Exec(context.Background(), "select pg_read_file('/etc/hostname')")
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "42501" || !strings.Contains(e.Message, "permission denied for function pg_read_file") || !strings.Contains(e.Hint, "docs/statements.md") {
		t.Errorf("%v, hint %q", err, e)
	}
}
