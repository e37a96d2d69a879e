// Package pgtest gives tests a real PostgreSQL: a throwaway cluster per test or
// per package, and a fresh database per test. A machine without PostgreSQL fails
// the test with the command that installs it.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/pgcluster"
)

const startTimeout = 60 * time.Second

// New starts a cluster of its own for the test and removes it at the end. It
// costs about a second; packages with many tests share one with Main.
func New(tb testing.TB) *pgcluster.Cluster {
	tb.Helper()
	c, cleanup, err := start()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cleanup(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Main runs a package's tests on one shared cluster:
//
//	var shared *pgcluster.Cluster
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &shared)) }
func Main(m *testing.M, shared **pgcluster.Cluster) (code int) {
	c, cleanup, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := cleanup(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	*shared = c
	return m.Run()
}

// DB makes an empty database, dropped at the end of the test together with
// whatever still uses it, and returns the superuser's DSN for it.
func DB(tb testing.TB, c *pgcluster.Cluster) string {
	tb.Helper()
	var r [6]byte
	rand.Read(r[:])
	name := "t_" + hex.EncodeToString(r[:])
	admin(tb, c, "CREATE DATABASE "+name)
	tb.Cleanup(func() { admin(tb, c, "DROP DATABASE "+name+" WITH (FORCE)") })
	return c.DSN(name)
}

// Create makes an empty database of that name.
func Create(tb testing.TB, c *pgcluster.Cluster, name string) {
	tb.Helper()
	admin(tb, c, "CREATE DATABASE "+name)
}

// Connect opens a connection that is closed at the end of the test.
func Connect(tb testing.TB, dsn string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func admin(tb testing.TB, c *pgcluster.Cluster, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.DSN("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

func start() (*pgcluster.Cluster, func() error, error) {
	// Not tb.TempDir: its parent is closed to others, and a test that runs as root
	// starts the server as another user. The short name leaves room for a socket.
	base, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(base, 0o711); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := pgcluster.Start(ctx, pgcluster.Options{
		Dir: filepath.Join(base, "pg"),
		Settings: map[string]string{
			// Nothing here outlives the test.
			"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
			"shared_buffers": "64MB", "max_connections": "120", "jit": "off",
			"autovacuum": "off", // plans must not depend on when a worker happens to look
		},
	})
	if err != nil {
		os.RemoveAll(base)
		return nil, nil, err
	}
	return c, func() error {
		err := c.Stop()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, logTail(c.Log()))
		}
		os.RemoveAll(base)
		return err
	}, nil
}

func logTail(path string) string {
	b, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// Pretend makes the database of conn, a superuser's connection, say that its server is of
// another version, as server_version_num has it, until the end of the test.
func Pretend(tb testing.TB, conn *pgx.Conn, num int) {
	tb.Helper()
	exec := func(sql string) {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			tb.Fatalf("%s: %v", sql, err)
		}
	}
	exec("ALTER FUNCTION pg_catalog.current_setting(text) RENAME TO current_setting_here")
	exec(fmt.Sprintf(`CREATE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql STABLE STRICT AS
		$$ SELECT CASE $1 WHEN 'server_version_num' THEN '%d' ELSE pg_catalog.current_setting_here($1) END $$`, num))
	tb.Cleanup(func() {
		exec("DROP FUNCTION pg_catalog.current_setting(text)")
		exec("ALTER FUNCTION pg_catalog.current_setting_here(text) RENAME TO current_setting")
	})
}
