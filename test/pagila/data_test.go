//go:build pagila

// Package pagila reads a database that was not made for Trefoil: Pagila, the
// PostgreSQL project's DVD rental, described in examples/pagila. It is loaded from
// its dump, fenced, and read through every lens with psql, through a running
// instance; what comes out is compared with the tables themselves. It holds tests
// only, and none without the tag pagila, because the data is not part of this
// repository:
//
//	make test-pagila DATA=../shared/data
package pagila

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// loaded starts a store with Pagila in it, without any fence, and connects to it as
// its superuser.
func loaded(tb testing.TB) (*pgcluster.Cluster, *pgx.Conn) {
	tb.Helper()
	c := pgtest.New(tb)
	pgtest.Create(tb, c, "pagila")
	if err := load(c); err != nil {
		tb.Fatal(err)
	}
	return c, pgtest.Connect(tb, c.DSN("pagila"))
}

// load fills the empty database pagila from the dump in $TREFOIL_TEST_DATA.
func load(c *pgcluster.Cluster) error {
	path := filepath.Join(os.Getenv("TREFOIL_TEST_DATA"), "pagila", "pagila.sql.gz")
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("Pagila is not there: %w; run make test-pagila DATA=DIR, where DIR holds pagila/pagila.sql.gz", err)
	}
	defer f.Close()
	dump, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	psql := exec.Command(filepath.Join(c.Bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1")
	psql.Env = append(os.Environ(), c.Env("pagila")...)
	var errs bytes.Buffer
	psql.Stdin, psql.Stderr = dump, &errs
	if err := psql.Run(); err != nil {
		return fmt.Errorf("loading %s: %w\n%s", path, err, errs.String())
	}
	return nil
}
