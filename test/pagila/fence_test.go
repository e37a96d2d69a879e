//go:build pagila

package pagila

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/catalog"
	example "github.com/trefoil-dev/trefoil/examples/pagila"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/lens"
)

// A role without any grant reads customers through rewards_report, until the
// fence stands.
func TestFence(t *testing.T) {
	ctx := context.Background()
	c, admin := loaded(t)

	before := stranger(t, c, admin, "before")
	if _, err := before.Exec(ctx, "SELECT * FROM customer"); code(err) != "42501" {
		t.Fatalf("a role without grants reads the table itself: %v", err)
	}
	if n, err := rewards(ctx, before); err != nil || n == 0 {
		t.Fatalf("rewards_report shows %d customers to a role without grants (%v): then there is nothing to fence", n, err)
	}

	plans := map[string]*lens.Plan{}
	for _, name := range []string{"pagila", "pagila_staff"} {
		ds := parsed(t).Dataset(name)
		start := time.Now()
		p, err := lens.NewPlan(ctx, admin, ds, lens.Options{})
		if err != nil {
			t.Fatal(err)
		}
		planned := time.Since(start)
		start = time.Now()
		if err := lens.Apply(ctx, admin, p); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: planned in %d ms, %d statements applied in %d ms", name, planned.Milliseconds(), len(p.Steps), time.Since(start).Milliseconds())
		plans[name] = p
	}
	p := plans["pagila"]
	var definers []string
	for _, h := range p.Fence {
		if h.Kind == "definer function" && h.Reachable {
			definers = append(definers, strings.SplitN(h.String(), "(", 2)[0])
		}
	}
	equal(t, "definer functions first", definers, []string{"definer function public.make_payment_data_current", "definer function public.rewards_report"})
	equal(t, "in the store and in no lens", p.Report.UnclassifiedTables, []string{
		"actor_info", "customer_list", "family_films", "film_list", "nicer_but_slower_film_list", "rental_report", "sales_by_film_category",
		"sales_by_store", "sales_top5_by_film_category", "staff_list"})
	equal(t, "columns in no lens", p.Report.UnclassifiedColumns, []string{"staff.address_id", "staff.last_update", "store.address_id", "store.manager_staff_id"})
	equal(t, "missing indexes", p.Report.MissingIndexes, []string{"payment_p0000_default.customer_id", "payment_p2007_07_max.customer_id", "rental.customer_id"})
	equal(t, "missing", append(p.Report.MissingTables, p.Report.MissingColumns...), nil)
	if f := plans["pagila_staff"].Fence; len(f) > 0 {
		t.Errorf("the second dataset of a store finds it open: %v", f)
	}
	for name := range plans {
		again, err := lens.NewPlan(ctx, admin, parsed(t).Dataset(name), lens.Options{})
		if err != nil || !again.Empty() || len(again.Drift) > 0 {
			t.Errorf("%s: a second plan is not empty: %d steps, drift %v, %v", name, len(again.Steps), again.Drift, err)
		}
	}

	after := stranger(t, c, admin, "after")
	if n, err := rewards(ctx, after); code(err) != "42501" {
		t.Errorf("behind the fence rewards_report gives %d customers, %v", n, err)
	}
	if n, err := rewards(ctx, before); err != nil || n == 0 {
		t.Errorf("a role that was there before lost what it had: %d, %v", n, err)
	}
}

// stranger makes a role and gives its connection.
func stranger(t *testing.T, c *pgcluster.Cluster, admin *pgx.Conn, name string) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	// The fence takes CONNECT too; it is given, so that the rest is seen to hold.
	if _, err := admin.Exec(ctx, "CREATE ROLE "+name+" LOGIN PASSWORD 'x'; GRANT CONNECT ON DATABASE pagila TO "+name); err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(c.DSN("pagila"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Password = name, "x"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	return conn
}

// rewards counts the customers that rewards_report hands out with their names.
func rewards(ctx context.Context, conn *pgx.Conn) (int, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "CALL public.rewards_report(1, 1, '2007-02-01')"); err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, "FETCH ALL FROM rewardees_detail")
	if err != nil {
		return 0, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToMap)
	named := slices.DeleteFunc(list, func(r map[string]any) bool { return r["email"] == nil })
	return len(named), err
}

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func parsed(t *testing.T) *catalog.Catalog {
	t.Helper()
	src, err := example.Files.ReadFile("catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Parse("catalog.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
