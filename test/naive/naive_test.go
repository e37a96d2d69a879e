package naive

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

var shared *pgcluster.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &shared)) }

// start has a store with one hidden table and one lens that shows half of it.
func start(t *testing.T) *Proxy {
	t.Helper()
	dsn := pgtest.DB(t, shared)
	conn := pgtest.Connect(t, dsn)
	if _, err := conn.Exec(context.Background(), `
		CREATE TABLE hidden AS SELECT 'anna@mail.example' AS email;
		CREATE VIEW shown AS SELECT left(email, 1)||'***' AS email FROM hidden;
		DO $$ BEGIN CREATE ROLE lens; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		GRANT SELECT ON shown TO lens`); err != nil {
		t.Fatal(err)
	}
	return Start(t, Options{StoreDSN: dsn, Role: "lens", Setup: []string{"SET statement_timeout = '60s'"}})
}

func psql(t *testing.T, p *Proxy, sslmode, options string, sql ...string) (string, error) {
	t.Helper()
	host, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-XAt", "-v", "ON_ERROR_STOP=1"}
	for _, q := range sql {
		args = append(args, "-c", q)
	}
	cmd := exec.Command(filepath.Join(shared.Bin, "psql"), args...)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=mei", "PGDATABASE=clips", "PGPASSWORD=guess", "PGSSLMODE="+sslmode, "PGOPTIONS="+options)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestPsqlSeesTheLensAndEscapesIt(t *testing.T) {
	p := start(t)
	for _, sslmode := range []string{"disable", "require"} {
		if out, err := psql(t, p, sslmode, "", "select email from shown"); err != nil || out != "a***" {
			t.Errorf("%s, lens: %q, %v", sslmode, out, err)
		}
		if out, err := psql(t, p, sslmode, "", "select email from hidden"); err == nil || !strings.Contains(out, "permission denied for table hidden") {
			t.Errorf("%s, beside the lens: %q, %v", sslmode, out, err)
		}
		if out, err := psql(t, p, sslmode, "", "reset role", "select email from hidden"); err != nil || out != "RESET\nanna@mail.example" {
			t.Errorf("%s, escape: %q, %v", sslmode, out, err)
		}
	}
	if out, err := psql(t, p, "disable", "-c work_mem=77MB", "show work_mem", "show statement_timeout"); err != nil || out != "77MB\n1min" {
		t.Errorf("startup options and setup: %q, %v", out, err)
	}
	if out, err := psql(t, p, "disable", "-c no_such_setting=1", "select 1"); err == nil || !strings.Contains(out, "no_such_setting") {
		t.Errorf("the store's refusal is lost: %q, %v", out, err)
	}
}

func TestOneClientCancelsAnother(t *testing.T) {
	p := start(t)
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	defer stop()
	conn, err := pgx.Connect(ctx, p.DSN("require"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	watch := pgtest.Connect(t, shared.DSN("postgres"))
	result := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "select pg_sleep(50)")
		result <- err
	}()
	for n := 0; n == 0 && ctx.Err() == nil; { // until the store runs it
		if err := watch.QueryRow(ctx, "select count(*) from pg_stat_activity where pid = $1 and state = 'active' and wait_event = 'PgSleep'", conn.PgConn().PID()).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.PgConn().CancelRequest(ctx); err != nil {
		t.Fatal(err)
	}
	var pe *pgconn.PgError
	if err := <-result; !errors.As(err, &pe) || pe.Code != "57014" {
		t.Errorf("the sleeper ended with %v, want query_canceled", err)
	}
}
