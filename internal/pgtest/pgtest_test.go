package pgtest

import (
	"context"
	"os"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/pgcluster"
)

var shared *pgcluster.Cluster

func TestMain(m *testing.M) { os.Exit(Main(m, &shared)) }

func TestEachDatabaseIsFreshAndGoneAfterwards(t *testing.T) {
	ctx := context.Background()
	count := func() (n int) {
		if err := Connect(t, shared.DSN("postgres")).QueryRow(ctx, "select count(*) from pg_database").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	t.Run("two", func(t *testing.T) {
		for range 2 {
			conn := Connect(t, DB(t, shared))
			if _, err := conn.Exec(ctx, "create table t ()"); err != nil {
				t.Error(err)
			}
		}
		if n := count(); n != before+2 {
			t.Errorf("%d databases, want %d", n, before+2)
		}
	})
	if n := count(); n != before {
		t.Errorf("%d databases afterwards, want %d", n, before)
	}
}

func TestNewIsAClusterOfItsOwn(t *testing.T) {
	c := New(t)
	if c.Port == shared.Port || c.Dir == shared.Dir {
		t.Errorf("port %d and directory %s are shared", c.Port, c.Dir)
	}
}
