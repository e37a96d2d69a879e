package bypass

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/test/naive"
)

// control is the control group's store: the same data, masked by plain views that
// a shared login reads in the role of a lens. Nothing is fenced.
type control struct {
	cluster *pgcluster.Cluster
	conn    *pgx.Conn
	targets int
}

func newControl(tb testing.TB) *control {
	tb.Helper()
	ctx := context.Background()
	c := &control{cluster: pgtest.New(tb)}
	c.conn = pgtest.Connect(tb, c.cluster.DSN("postgres"))
	if err := clips.Load(ctx, c.conn, clips.Options{Scale: 0.01, Sites: 2}); err != nil {
		tb.Fatal(err)
	}
	_, err := c.conn.Exec(ctx, `
		CREATE SCHEMA lens_case;
		CREATE VIEW lens_case.users AS SELECT id, handle, left(email, 1) || '***@***' AS email, country FROM public.users
			WHERE lower(btrim(translate(translate(btrim(handle), ' ', ''), '@', ''), '.')) = '`+clips.CaseUser().Handle+`';
		CREATE SCHEMA lens_bulk;
		CREATE VIEW lens_bulk.users AS SELECT id, handle, left(email, 1) || '***@***' AS email, country FROM public.users;
		ALTER TABLE public.signins ENABLE ROW LEVEL SECURITY;
		CREATE POLICY one ON public.signins USING (user_id = `+fmt.Sprint(clips.CaseUser().ID)+`)`)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// target has roles and a proxy of its own: app_N is the shared login, which reads
// the users' table itself, copies the store for a replica, and could become
// pg_read_all_data; lens_N is the role its clients are put in.
func (c *control) target(tb testing.TB) *target {
	tb.Helper()
	c.targets++
	app, lens := fmt.Sprintf("app_%d", c.targets), fmt.Sprintf("lens_%d", c.targets)
	conn := pgtest.Connect(tb, c.cluster.DSN("postgres"))
	dsn := fmt.Sprintf("host=%s port=%d dbname=postgres user=%s password=shared sslmode=disable search_path=lens_case", c.cluster.Host, c.cluster.Port, app)
	t := &target{
		tb: tb, user: "jonas", database: "clips", password: "anything", store: conn, elsewhere: "lens_bulk", strong: "pg_read_all_data",
		storeAddr: net.JoinHostPort(c.cluster.Host, fmt.Sprint(c.cluster.Port)),
		self:      clips.CaseUser(), other: someone(tb, conn),
		permit: func() {}, recorded: func() int { return 0 }, noticed: func() {},
	}
	t.exec(strings.NewReplacer("$app", app, "$lens", lens).Replace(`
		CREATE ROLE $lens;
		CREATE ROLE $app LOGIN NOINHERIT REPLICATION PASSWORD 'shared' IN ROLE $lens, pg_read_all_data;
		GRANT SELECT ON public.users TO $app;
		GRANT SELECT ON public.signins TO $lens;
		GRANT SELECT (ship_name) ON public.orders TO $lens;
		GRANT USAGE ON SCHEMA lens_case, lens_bulk TO $lens;
		GRANT SELECT, INSERT, UPDATE ON lens_case.users, lens_bulk.users TO $lens`))
	t.revoke = func() {
		t.exec(strings.NewReplacer("$app", app, "$lens", lens).Replace(`
			REVOKE ALL ON lens_case.users, lens_bulk.users FROM $lens;
			REVOKE $lens FROM $app;
			ALTER ROLE $app NOLOGIN VALID UNTIL '2001-01-01'`))
	}
	t.limit = func(d time.Duration) {
		t.exec(fmt.Sprintf("ALTER ROLE %s SET statement_timeout = %d", app, d.Milliseconds()), "ALTER ROLE "+app+" SET default_transaction_read_only = on")
	}
	t.addr = naive.Start(tb, naive.Options{StoreDSN: dsn, Role: lens, Pool: true}).Addr
	return t
}
