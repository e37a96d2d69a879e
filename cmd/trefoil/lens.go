package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/gate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/lens"
)

type lensCmd struct {
	Plan  planLensCmd  `cmd:"" help:"Print what apply would do to a store, and change nothing."`
	Apply applyLensCmd `cmd:"" help:"Fence a store and create the dataset's lenses in it."`
	Drop  dropLensCmd  `cmd:"" help:"Take a dataset's lenses out of a store again."`
}

// storeFlags say which store, and as whom: its administrator.
type storeFlags struct {
	Config  string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" help:"Configuration."`
	Dataset string `arg:"" help:"Dataset of the catalogue."`
	Site    string `required:"" help:"Site whose store is meant."`
	Admin   string `required:"" env:"TREFOIL_ADMIN" placeholder:"CONNSTRING" help:"libpq connection string of a superuser, without password: give that in PGPASSWORD or a pgpass file."`
}

// open reads the catalogue's file and connects.
func (f *storeFlags) open(ctx context.Context) (*app.Config, *catalog.Dataset, string, *pgx.Conn, error) {
	fail := func(err error) (*app.Config, *catalog.Dataset, string, *pgx.Conn, error) {
		return nil, nil, "", nil, err
	}
	if strings.Contains(f.Admin, "password=") {
		return fail(fault.New(fault.BadInput, "a password on the command line can be read by everybody on this machine").WithHint("put it into PGPASSWORD or ~/.pgpass"))
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
	if ds == nil || ds.Site(f.Site) == nil {
		return fail(fault.New(fault.BadInput, "the catalogue has no dataset %q at site %q", f.Dataset, f.Site))
	}
	conn, err := pgx.Connect(ctx, f.Admin)
	if err != nil {
		return fail(fault.New(fault.StoreAway, "the store does not let us in: %w", err))
	}
	return cfg, ds, ds.Site(f.Site).Store, conn, nil
}

type planLensCmd struct {
	storeFlags `embed:""`
	SQL        bool `help:"Also print the statements."`
}

func (c *planLensCmd) Run(e *env) error {
	_, ds, _, conn, err := c.open(e.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	p, err := lens.NewPlan(e.ctx, conn, ds, lens.Options{})
	if err != nil {
		return err
	}
	return p.Write(e.stdout, c.SQL)
}

type applyLensCmd struct {
	storeFlags `embed:""`
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
	p, err := lens.NewPlan(e.ctx, conn, ds, lens.Options{GateVerifier: verifier})
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
	if err := lens.Drop(e.ctx, conn, ds.Name, lens.DropOptions{Unfence: c.Unfence, Sessions: c.Sessions}); err != nil {
		return err
	}
	e.printf("store %s has no lenses of %s any more\n", store, ds.Name)
	return nil
}
