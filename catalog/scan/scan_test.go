package scan_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/catalog/scan"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/lens"
)

var (
	ctx    = context.Background()
	shared *pgcluster.Cluster
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &shared)) }

// database makes one, runs SQL in it and connects to it.
func database(t *testing.T, sql ...string) *pgx.Conn {
	t.Helper()
	conn := pgtest.Connect(t, pgtest.DB(t, shared))
	run(t, conn, sql...)
	return conn
}

func run(t *testing.T, conn *pgx.Conn, sql ...string) {
	t.Helper()
	for _, q := range sql {
		if _, err := conn.PgConn().Exec(ctx, q).ReadAll(); err != nil {
			t.Fatalf("%v\n%.300s", err, q)
		}
	}
}

// draft scans a database.
func draft(t *testing.T, conn *pgx.Conn, o scan.Options) string {
	t.Helper()
	if o.Dataset == "" {
		o.Dataset = "scanned"
	}
	d, err := scan.Scan(ctx, conn, o)
	if err != nil {
		t.Fatal(err)
	}
	return string(d.YAML())
}

// confirmed does what a person does who agrees with everything: fills in what
// only people know.
func confirmed(draft string) string {
	return strings.NewReplacer("residents: []", "residents: [IE]", `country: "??"`, "country: IE").Replace(draft)
}

// accepted is the dataset of a draft that somebody confirmed; the catalogue must
// hold it, and the store's lenses must compile.
func accepted(t *testing.T, conn *pgx.Conn, text string) *catalog.Dataset {
	t.Helper()
	if _, err := catalog.Parse("draft", []byte(text)); err == nil {
		t.Error("a draft that nobody confirmed is a catalogue")
	}
	c, err := catalog.Parse("draft", []byte(confirmed(text)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	ds := c.Datasets[0]
	_, problems, err := lens.Compile(ctx, conn, ds)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("no lenses: %s", p)
	}
	return ds
}
