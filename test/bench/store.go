package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/lens"
)

//go:embed rules
var rules embed.FS

const (
	database = "bank"
	dataset  = "bank"
	benchUsr = "bench" // of the contenders that know nothing of lenses
)

// store is the PostgreSQL behind every contender.
type store struct {
	*pgcluster.Cluster
	password string   // of benchUsr
	view     endpoint // as a session role of the bulk lens
}

// startStore makes the cluster, fills it with pgbench's tables, applies the
// lens of rules/catalog.yaml and reads everything once.
func startStore(ctx context.Context, dir string, scale int) (_ *store, err error) {
	c, err := pgcluster.Start(ctx, pgcluster.Options{Dir: dir, Settings: map[string]string{
		// Durability as shipped; memory for the whole of scale 50.
		"shared_buffers": "1200MB", "max_connections": "200", "max_wal_size": "4GB", "jit": "off",
	}})
	if err != nil {
		return nil, err
	}
	s := &store{Cluster: c, password: rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if err := s.enableTLS(ctx); err != nil {
		return nil, err
	}
	if err := s.exec(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return nil, err
	}
	if err := s.exec(ctx, "postgres", "CREATE ROLE "+benchUsr+" LOGIN SUPERUSER PASSWORD '"+s.password+"'"); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "filling pgbench's tables, scale %d\n", scale)
	init := exec.CommandContext(ctx, filepath.Join(c.Bin, "pgbench"), "-i", "-q", "-I", "dtGvp", "-s", strconv.Itoa(scale))
	init.Env = s.endpoint("", "disable").env()
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pgbench -i: %w\n%s", err, out)
	}
	if err := s.exec(ctx, database, "CREATE EXTENSION pg_prewarm; SELECT pg_prewarm(c.oid) FROM pg_class c WHERE relname LIKE 'pgbench%' AND relkind IN ('r', 'i'); DROP EXTENSION pg_prewarm"); err != nil {
		return nil, err
	}
	if err := s.exec(ctx, database, "CHECKPOINT"); err != nil {
		return nil, err
	}
	return s, s.applyLens(ctx)
}

func (s *store) endpoint(name, sslmode string) endpoint {
	return endpoint{name: name, host: s.Host, port: s.Port, user: benchUsr, password: s.password, db: database, sslmode: sslmode}
}

func (s *store) exec(ctx context.Context, db, sql string) error {
	conn, err := pgx.Connect(ctx, s.DSN(db))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// enableTLS gives the store a certificate, for the contender that has TLS and
// nothing else.
func (s *store) enableTLS(ctx context.Context) error {
	data := filepath.Join(s.Dir, "data")
	cert, key, err := writeCertificate(data, "server")
	if err != nil {
		return err
	}
	if err := chownLike(data, cert, key); err != nil {
		return err
	}
	return errors.Join(s.exec(ctx, "postgres", "ALTER SYSTEM SET ssl = on"), s.exec(ctx, "postgres", "SELECT pg_reload_conf()"))
}

// applyLens makes the lens and one session role of it that may connect often:
// the view without the gate.
func (s *store) applyLens(ctx context.Context) error {
	src, err := rules.ReadFile("rules/catalog.yaml")
	if err != nil {
		return err
	}
	cat, err := catalog.Parse("rules/catalog.yaml", src)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	plan, err := lens.NewPlan(ctx, conn, cat.Dataset(dataset), lens.Options{})
	if err != nil {
		return err
	}
	if err := lens.Apply(ctx, conn, plan); err != nil {
		return err
	}
	some := "SCRAM-SHA-256$1:AAAA$" + strings.Repeat("A", 43) + "=:" + strings.Repeat("A", 43) + "="
	opened, err := lens.OpenSession(ctx, conn, lens.Session{Gate: "benchview", Lens: lens.Find(plan.Lenses, lens.Masked, lens.Bulk), Verifier: some})
	if err != nil {
		return err
	}
	s.view = s.endpoint("view", "disable")
	s.view.user = opened.Role
	_, err = conn.PgConn().Exec(ctx, fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT -1 PASSWORD '%s'", opened.Role, s.password)).ReadAll()
	return err
}

// owner is whom the store's files belong to: the user who may run a server
// here, since PostgreSQL and PgBouncer both refuse to run as root.
func owner(path string) (uid, gid int, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, errors.New("files have no owner on this system")
	}
	return int(sys.Uid), int(sys.Gid), nil
}

// chownLike gives paths to the owner of like.
func chownLike(like string, paths ...string) error {
	uid, gid, err := owner(like)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := os.Chown(p, uid, gid); err != nil {
			return err
		}
	}
	return nil
}
