package pggate

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// psql runs the real psql against the gate.
func (w *world) psql(stdin string, args ...string) (stdout, stderr string, err error) {
	w.tb.Helper()
	c := w.psqlCommand(args...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	err = c.Run()
	return out.String(), errs.String(), err
}

func (w *world) psqlCommand(args ...string) *exec.Cmd {
	path, err := exec.LookPath("psql")
	if err != nil {
		w.tb.Fatal("psql is missing: apt-get install postgresql-client")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	w.tb.Cleanup(cancel)
	c := exec.CommandContext(ctx, path, append([]string{"-X", "-h", "127.0.0.1", "-p", strconv.Itoa(w.addr.Port), "-U", "anna"}, args...)...)
	c.Env = append(os.Environ(), "PGPASSWORD="+testSecret, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+w.ca, "LC_ALL=C")
	return c
}

func TestPsqlReadsTables(t *testing.T) {
	w := newWorld(t)
	out, errs, err := w.psql("select id, name from people where id <= 3 order by id;\n\\d people\ncopy (select id from people where id < 4 order by 1) to stdout;\n", "-d", "clips", "-A", "-t")
	if err != nil {
		t.Fatal(err, errs)
	}
	contains(t, out, "1|person 1\n2|person 2\n3|person 3\n", "id|integer||not null|", "1\n2\n3\n")
	s := w.session(0)
	<-s.closed
	texts := s.texts()
	equal(t, "first record", texts[0], "simple select id, name from people where id <= 3 order by id;")
	equal(t, "last record", texts[len(texts)-1], "simple copy (select id from people where id < 4 order by 1) to stdout;")
	last := s.results[len(s.results)-1]
	equal(t, "rows and completeness of the copy", []any{last.Rows, last.Completeness}, "[3 complete]")
	equal(t, "results for statements", len(s.results), len(texts))
	equal(t, "grant", w.desk.logins[0].Grant, 8)
}

func TestPsqlLargeResult(t *testing.T) {
	w := newWorld(t)
	out, errs, err := w.psql("", "-d", "clips", "-A", "-t", "-c", "select i, repeat(chr(65+i%26), i%300) from generate_series(1,200000) i")
	if err != nil {
		t.Fatal(err, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 200000 || lines[199999] != "200000|"+strings.Repeat("I", 200) {
		t.Errorf("%d lines, last %q", len(lines), lines[len(lines)-1])
	}
}

func TestPsqlInterrupt(t *testing.T) {
	w := newWorld(t)
	c := w.psqlCommand("-d", "clips")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	c.Stdin = strings.NewReader("select pg_sleep(60);\n")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// Once only: a second one, while it reads its next line, can hang psql for good.
	w.awaitSleep()
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // psql gives up its script, with exit code 3
	contains(t, errs.String(), "canceling statement due to user request")
}

func TestPsqlRefusals(t *testing.T) {
	w := newWorld(t)
	out, errs, _ := w.psql("begin;\nselect 1;\nexplain select 1;\nselect 2;\nrollback;\nselect 'after';\n", "-d", "clips", "-A", "-t")
	contains(t, errs, "EXPLAIN is not served through this gate", "HINT:", "current transaction is aborted")
	contains(t, out, "BEGIN\n1\n", "ROLLBACK\nafter\n")
	s := w.session(0)
	<-s.closed
	if len(s.refused) != 1 || string(s.refused[0].SQL) != "explain select 1;" {
		t.Errorf("refused: %v", s.refused)
	}
	equal(t, "summary", []any{s.summary.Statements, s.summary.Refused, s.summary.Why}, "[5 1 <nil>]")
}
