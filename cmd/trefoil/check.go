package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/lens"
)

type checkCmd struct {
	Config       string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" help:"Configuration."`
	AgainstStore string `placeholder:"CONNSTRING" help:"libpq connection string: compare the catalogue with that store."`
	Dataset      string `help:"With --against-store: which dataset [the only one]."`
}

func (c *checkCmd) Run(e *env) error {
	cfg, err := app.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	rules, err := loadRules(cfg)
	if err != nil {
		return err
	}
	e.printf("configuration and rules are in order: %d datasets, %d policies, %d people; digest %s\n",
		len(rules.Catalog.Datasets), len(rules.Book.Rules.All()), len(rules.Facts.Directory.Logins()), rules.Digest)
	if c.AgainstStore == "" {
		return nil
	}
	return c.against(e, rules)
}

// loadRules reads the rules' files; their faults are usage errors with file and line.
func loadRules(cfg *app.Config) (*access.Rules, error) {
	sources, err := cfg.Sources()
	if err != nil {
		return nil, err
	}
	rules, err := access.LoadRules(sources)
	var f *fault.Error
	if err != nil && !errors.As(err, &f) {
		err = fault.New(fault.BadInput, "%s", err)
	}
	return rules, err
}

func (c *checkCmd) against(e *env, rules *access.Rules) error {
	name := c.Dataset
	if name == "" && len(rules.Catalog.Datasets) == 1 {
		name = rules.Catalog.Datasets[0].Name
	}
	ds := rules.Catalog.Dataset(name)
	if ds == nil {
		return fault.New(fault.BadInput, "the catalogue has no dataset %q", name).WithHint("name it with --dataset")
	}
	conn, err := pgx.Connect(e.ctx, c.AgainstStore)
	if err != nil {
		return fault.New(fault.StoreAway, "the store does not let us in: %w", err)
	}
	defer conn.Close(context.Background())
	r, err := lens.Against(e.ctx, conn, ds)
	if err != nil {
		return err
	}
	for _, list := range []struct {
		title string
		items []string
	}{
		{"tables nobody classified (in no lens)", r.UnclassifiedTables},
		{"columns nobody classified (in no lens)", r.UnclassifiedColumns},
		{"tables of the catalogue that are not in the store", r.MissingTables},
		{"columns of the catalogue that are not in the store", r.MissingColumns},
		{"path indexes that are missing (case look-ups read whole tables)", r.MissingIndexes},
	} {
		if len(list.items) > 0 {
			e.printf("%s:\n", list.title)
		}
		for _, item := range list.items {
			e.printf("  %s\n", item)
		}
	}
	if !r.Clean() {
		return errRefused
	}
	e.printf("the store fits the catalogue\n")
	return nil
}
