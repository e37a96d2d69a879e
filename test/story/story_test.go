// Package story tells what users do, across all packages, on real servers.
package story

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/test/world"
)

func TestPeopleAndTheirData(t *testing.T) {
	w := world.New(t)
	ctx := context.Background()
	jonas := w.As("jonas")
	grant := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}})

	t.Run("masked rows of the case and no others", func(t *testing.T) {
		conn := jonas.Connect(grant, "dublin-1")
		var n, id int64
		var email string
		if err := conn.QueryRow(ctx, "SELECT count(*), max(id), max(email) FROM users").Scan(&n, &id, &email); err != nil {
			t.Fatal(err)
		}
		if n != 1 || id != clips.CaseUser().ID || email == clips.CaseUser().Email || !strings.Contains(email, "***") {
			t.Errorf("%d rows, id %d, email %q", n, id, email)
		}
	})

	t.Run("a session's role is gone with it", func(t *testing.T) {
		conn := jonas.Connect(grant, "dublin-1")
		var role string
		if err := conn.QueryRow(ctx, "SELECT session_user").Scan(&role); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(ctx); err != nil {
			t.Fatal(err)
		}
		admin := pgtest.Connect(t, w.Stores["dublin-1"].DSN("clips"))
		for begun := time.Now(); ; { // dropped after the client has left
			var there bool
			if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&there); err != nil {
				t.Fatal(err)
			}
			if !there {
				break
			}
			if time.Since(begun) > 20*time.Second { // well before the first sweep
				t.Fatalf("role %s is still there", role)
			}
		}
	})

	t.Run("psql", func(t *testing.T) {
		out, err := jonas.Psql(t, grant, "dublin-1", "-Atc", "SELECT id, country FROM users")
		if err != nil || strings.TrimSpace(out) != "100800|IE" {
			t.Errorf("%q, %v", out, err)
		}
	})

	t.Run("several sites are never guessed", func(t *testing.T) {
		cfg := jonas.Config(grant, "dublin-1")
		cfg.Database = "clips"
		_, err := pgconn.ConnectConfig(ctx, &cfg.Config)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "3D000" || !strings.Contains(pg.Hint, "dbname=clips.dublin-1") || !strings.Contains(pg.Hint, "dbname=clips.hamar") {
			t.Errorf("%v, hint %q", err, pg)
		}
	})

	t.Run("from a third country the same person is refused", func(t *testing.T) {
		abroad := *jonas
		abroad.Office = "127.9.0.1"
		_, err := abroad.Dial(grant, "dublin-1")
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%v", err)
		}
	})

	t.Run("revocation ends a session mid-result", func(t *testing.T) {
		g := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}, Case: "4713"})
		conn := jonas.Connect(g, "dublin-1")
		rows, err := conn.Query(ctx, "SELECT generate_series(1, 50000000)")
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal("no first row")
		}
		if _, err := w.As("astrid").Verdict("revoke", g.Seq); err != nil {
			t.Fatal(err)
		}
		got := 0
		for rows.Next() {
			got++
		}
		if rows.Err() == nil || got == 49999999 {
			t.Errorf("%d further rows, then %v", got, rows.Err())
		}
		if _, err := jonas.Dial(g, "dublin-1"); err == nil {
			t.Error("a revoked grant lets in")
		}
	})

	t.Run("expiry ends a session", func(t *testing.T) {
		g := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}, Case: "4714", For: 2 * time.Second})
		conn := jonas.Connect(g, "dublin-1")
		if _, err := conn.Exec(ctx, "SELECT pg_sleep(60)"); err == nil {
			t.Error("the session outlived its grant")
		}
	})
}
