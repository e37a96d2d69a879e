package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/gate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/lens"
)

type lensCmd struct {
	Plan    planLensCmd    `cmd:"" help:"Print what apply would do to a store, and change nothing."`
	Apply   applyLensCmd   `cmd:"" help:"Fence a store and create the dataset's lenses in it."`
	Release releaseLensCmd `cmd:"" help:"Let a change of a table through: drop the views over it until the next apply."`
	Drop    dropLensCmd    `cmd:"" help:"Take a dataset's lenses out of a store again."`
}

// storeFlags say which store, and as whom: its administrator.
type storeFlags struct {
	Dataset string `arg:"" help:"Dataset of the catalogue."`
	Site    string `required:"" placeholder:"SITE" help:"Site whose store is meant."`
	Admin   string `required:"" env:"TREFOIL_ADMIN" placeholder:"CONNSTRING" help:"libpq connection string of a superuser, without password: give that in PGPASSWORD or a pgpass file."`
	Config  string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" placeholder:"FILE" help:"Configuration; without it trefoil.yaml."`
}

// open reads the catalogue's file and connects.
func (f *storeFlags) open(ctx context.Context) (*app.Config, *catalog.Dataset, string, *pgx.Conn, error) {
	fail := func(err error) (*app.Config, *catalog.Dataset, string, *pgx.Conn, error) {
		return nil, nil, "", nil, err
	}
	cfg, err := app.LoadConfig(f.Config)
	if err != nil {
		return fail(err)
	}
	rules, err := loadRules(cfg)
	if err != nil {
		return fail(err)
	}
	ds := rules.Catalog.Dataset(f.Dataset)
	if ds == nil {
		return fail(noDataset(rules, f.Dataset))
	}
	if ds.Site(f.Site) == nil {
		var sites []string
		for _, s := range ds.Sites {
			sites = append(sites, s.Name)
		}
		return fail(fault.New(fault.BadInput, "dataset %s is not at a site %q", ds.Name, f.Site).WithHint("its sites are %s", strings.Join(sites, ", ")))
	}
	conn, err := connectStore(ctx, "--admin", f.Admin)
	if err != nil {
		return fail(err)
	}
	return cfg, ds, ds.Site(f.Site).Store, conn, nil
}

type planLensCmd struct {
	storeFlags `embed:""`
	SQL        bool `help:"Also print the statements."`
}

func (c *planLensCmd) Run(e *env) error {
	cfg, ds, store, conn, err := c.open(e.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	p, err := lens.NewPlan(e.ctx, conn, ds, lens.Options{})
	if err != nil {
		return err
	}
	if _, ok := cfg.Stores[store]; !ok {
		fmt.Fprintf(e.stderr, "warning: the configuration has no store %q, so apply would refuse: add it under stores: (trefoil init --print shows how)\n", store)
	}
	if err := p.Write(e.stdout, c.SQL); err != nil {
		return err
	}
	if len(p.Problems) > 0 {
		return fault.New(fault.Denied, "nothing can be applied to store %s: %d problems, named above", c.Site, len(p.Problems))
	}
	return nil
}

type applyLensCmd struct {
	storeFlags      `embed:""`
	ReplacePassword bool `help:"Give the gate's role this instance's password, though it has another: that locks out the instance that uses it."`
}

func (c *applyLensCmd) Run(e *env) error {
	cfg, ds, store, conn, err := c.open(e.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	verifier, err := gateVerifier(e.ctx, cfg, store)
	if err != nil {
		return err
	}
	p, err := lens.NewPlan(e.ctx, conn, ds, lens.Options{GateVerifier: verifier, ReplacePassword: c.ReplacePassword})
	if err != nil {
		return err
	}
	if err := lens.Apply(e.ctx, conn, p); err != nil {
		return err
	}
	e.printf("store %s is fenced; %s has the lenses", store, ds.Name)
	for _, l := range p.Lenses {
		e.printf(" %s/%s", l.Lens, l.Scope)
	}
	e.printf("\n")
	for _, w := range p.Warnings {
		fmt.Fprintf(e.stderr, "warning: %s\n", w)
	}
	return nil
}

// gateVerifier makes the store's password file if it is not there, and gives
// the verifier the store keeps. It is empty once that password is known to fit.
func gateVerifier(ctx context.Context, cfg *app.Config, store string) (string, error) {
	s, ok := cfg.Stores[store]
	if !ok {
		return "", fault.New(fault.BadInput, "the configuration has no store %q", store).WithHint("add it under stores: (trefoil init --print shows how)")
	}
	path := cfg.Path(s.PasswordFile)
	if err := app.NewPassword(path); err != nil {
		return "", err
	}
	password, err := app.ReadPassword(path)
	if err != nil {
		return "", err
	}
	own, err := pgx.ParseConfig(s.Connect)
	if err != nil {
		return "", fault.New(fault.BadInput, "stores.%s.connect does not read: %w", store, err)
	}
	own.Password = password
	if conn, err := pgx.ConnectConfig(ctx, own); err == nil {
		return "", conn.Close(ctx)
	}
	return gate.Verifier(password)
}

type releaseLensCmd struct {
	storeFlags `embed:""`
	Table      string `arg:"" help:"Table that is to be altered."`
}

func (c *releaseLensCmd) Run(e *env) error {
	_, ds, store, conn, err := c.open(e.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	views, err := lens.Release(e.ctx, conn, ds, c.Table)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // undefined_table: nothing was ever applied
		return fault.New(fault.Conflict, "store %s has no lenses of %s", store, ds.Name).WithHint("nothing stands in the way of altering %s", c.Table)
	}
	if err != nil {
		return err
	}
	e.printf("%s gets no new sessions at store %s, and nothing reads %s any more; dropped:\n", ds.Name, store, c.Table)
	for _, v := range views {
		e.printf("  %s\n", v)
	}
	e.printf("alter the table, then: %s\n", shown([]string{"trefoil", "lens", "apply", ds.Name, "--site", c.Site, "--admin", c.Admin}))
	return nil
}

type dropLensCmd struct {
	storeFlags `embed:""`
	Unfence    bool `help:"Also give PUBLIC back what the fence took."`
	Sessions   bool `help:"End open sessions instead of refusing."`
}

func (c *dropLensCmd) Run(e *env) error {
	_, ds, store, conn, err := c.open(e.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	err = lens.Drop(e.ctx, conn, ds.Name, lens.DropOptions{Unfence: c.Unfence, Sessions: c.Sessions})
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Conflict && !c.Sessions {
		return f.WithHint("wait for them to end, or add --sessions")
	}
	if err != nil {
		return err
	}
	e.printf("store %s has no lenses of %s any more\n", store, ds.Name)
	if !c.Unfence {
		e.printf("its fence stays; lens drop --unfence gives PUBLIC back what it had\n")
	}
	return nil
}
