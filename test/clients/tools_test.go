package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// question is one statement of metadata/*.sql. Its first line names it, and may
// go on with "? WORDS" that must stand in the result, or "! SQLSTATE" that it
// fails with. {views} and {columns} there are every view of the lens and every
// column of users; "N rows" are at least so many.
type question struct {
	name, want, refused string
	sql                 string
}

func readQuestions(t *testing.T, path string) (list []question) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n\n")[1:] { // after the file's own comment
		head, sql, ok := strings.Cut(strings.TrimSpace(part), "\n")
		name, isName := strings.CutPrefix(head, "-- ")
		if !ok || !isName {
			t.Fatalf("%s: %q", path, part)
		}
		q := question{sql: sql}
		name, q.want, _ = strings.Cut(name, "? ")
		q.name, q.refused, _ = strings.Cut(name, "! ")
		list = append(list, q)
	}
	return list
}

// tools asks what desktop tools ask, over the masked lens in both scopes.
func tools(t *testing.T, s *stage) {
	files, err := filepath.Glob("metadata/*.sql")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		for scope, as := range map[string]login{"bulk": s.brief.Bulk, "case": s.brief.Case} {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".sql")+" "+scope, func(t *testing.T) {
				g := &gopher{s: s, b: s.brief, t: t}
				conn, err := g.dial(as, "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(context.Background())
				ask := asker{t: t, conn: conn.PgConn()}
				ask.fill = strings.NewReplacer("{schema}", ask.one("SELECT current_schema()"), "{schema_oid}", ask.one("SELECT current_schema()::regnamespace::oid"),
					"{users_oid}", ask.one("SELECT 'users'::regclass::oid"), "{database}", ask.one("SELECT current_database()"),
					"{views}", ask.one("SELECT string_agg(viewname, ' ') FROM pg_views WHERE schemaname = current_schema()"),
					"{columns}", ask.one("SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 'users'::regclass"))
				for _, q := range readQuestions(t, file) {
					ask.about(q, scope)
				}
			})
		}
	}
}

// asker asks as JDBC does: in the extended protocol, values as text.
type asker struct {
	t    *testing.T
	conn *pgconn.PgConn
	fill *strings.Replacer
}

func (a *asker) one(sql string) string {
	a.t.Helper()
	r := a.conn.ExecParams(context.Background(), sql, nil, nil, nil, nil).Read()
	if r.Err != nil || len(r.Rows) != 1 {
		a.t.Fatal(sql, r.Err, len(r.Rows))
	}
	return string(r.Rows[0][0])
}

func (a *asker) about(q question, scope string) {
	a.t.Helper()
	sql := a.fill.Replace(q.sql)
	var results []*pgconn.Result
	var err error
	if strings.Contains(sql, "; ") { // the extended protocol takes one statement
		results, err = a.conn.Exec(context.Background(), sql).ReadAll()
	} else {
		r := a.conn.ExecParams(context.Background(), sql, nil, nil, nil, nil).Read()
		results, err = []*pgconn.Result{r}, r.Err
	}
	var pg *pgconn.PgError
	switch {
	case q.refused != "":
		if !errors.As(err, &pg) || pg.Code != q.refused {
			a.t.Errorf("%s: %v, not %s", q.name, err, q.refused)
		}
		return
	case err != nil:
		a.t.Errorf("%s: %v", q.name, err)
		return
	}
	var n int
	words := map[string]bool{} // of the values, so that "id" is not found within "video"
	var text strings.Builder
	for _, row := range results[len(results)-1].Rows {
		n++
		for _, v := range row {
			words[string(v)] = true
			fmt.Fprintln(&text, string(v))
		}
	}
	var least int
	if _, err := fmt.Sscanf(q.want, "%d rows", &least); err == nil {
		if scope == "case" {
			least = 1
		}
		if n < least {
			a.t.Errorf("%s: %d rows, not %d", q.name, n, least)
		}
		return
	}
	for _, want := range strings.Fields(a.fill.Replace(q.want)) {
		list := strings.Contains(q.want, "{")
		if list && !words[want] && !strings.Contains(text.String(), "{"+want+"}") || !list && !strings.Contains(text.String(), want) {
			a.t.Errorf("%s: no %s in %d rows", q.name, want, n)
		}
	}
}
