package pggate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestAStatementMayTakeSoLongAndNoLonger(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStatement = 400 * time.Millisecond })
	ctx := context.Background()
	idle, busy := w.connect(""), w.connect("")
	for _, sql := range []string{"set statement_timeout = 0", "begin", "select pg_sleep(0.05)"} {
		if _, err := busy.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	_, err := busy.Exec(ctx, "select pg_sleep(3600)")
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "57014" || !strings.Contains(pe.Hint, "limits.statement") {
		t.Errorf("an hour's statement ended with %v", err)
	}
	if !busy.IsClosed() {
		t.Error("its session goes on")
	}
	// Being open is not being busy.
	if _, err := idle.Exec(ctx, "select 1"); err != nil {
		t.Errorf("the idle session was ended as well: %v", err)
	}
}
