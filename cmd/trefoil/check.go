package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/docs/schema"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/lens"
)

type checkCmd struct {
	AgainstStore string `placeholder:"CONNSTRING" help:"libpq connection string, without password: compare the catalogue with that store."`
	Schema       string `enum:",catalog,config" default:"" placeholder:"catalog|config" help:"Print the JSON Schema of the catalogue or of trefoil.yaml, for editors, and check nothing."`
	Dataset      string `placeholder:"DATASET" help:"With --against-store: which dataset [the only one]."`
	Config       string `short:"c" default:"${config}" env:"TREFOIL_CONFIG" type:"path" placeholder:"FILE" help:"Configuration; without it trefoil.yaml."`
}

func (c *checkCmd) Run(e *env) error {
	if c.Schema != "" {
		e.printf("%s", map[string]string{"catalog": schema.Catalog, "config": schema.Config}[c.Schema])
		return nil
	}
	cfg, err := app.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Stores)) {
		if _, err := pgx.ParseConfig(cfg.Stores[name].Connect); err != nil {
			return fault.New(fault.BadInput, "stores.%s: connect does not read as a libpq connection string: %s", name, err)
		}
	}
	rules, err := loadRules(cfg)
	if err == nil {
		err = rules.Check(cfg.Zone)
	}
	if err != nil {
		return err
	}
	e.printf("configuration and rules are in order: %s, %s, %s\n", count(len(rules.Catalog.Datasets), "dataset", "datasets"),
		count(len(rules.Book.Rules.All()), "policy", "policies"), count(len(rules.Facts.Directory.Logins()), "person", "people"))
	e.printf("digest %s\n", rules.Digest)
	zone := rules.Catalog.Zone(cfg.Zone)
	e.printf("zone %s: residents of %s; today %s\n", zone.Name, count(len(zone.Residents), "country", "countries"), speakers(zone, time.Now().UnixMicro()))
	for _, name := range strange(cfg, rules) {
		fmt.Fprintf(e.stderr, "warning: store %s of the catalogue is not under stores: in %s, so its site can't be reached\n", name, c.Config)
	}
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

// speakers says for how many countries each authority speaks, in the catalogue's order.
func speakers(z *catalog.Zone, now int64) string {
	var names []string
	of := map[string]int{}
	for _, country := range z.Residents {
		a := z.Authority(country, now)
		if a == "" {
			a = "nobody"
		}
		if of[a]++; of[a] == 1 {
			names = append(names, a)
		}
	}
	for i, a := range names {
		names[i] = fmt.Sprintf("%s speaks for %d", a, of[a])
	}
	return strings.Join(names, ", ")
}

// strange lists the stores the catalogue speaks of that the configuration does
// not know, sorted.
func strange(cfg *app.Config, rules *access.Rules) []string {
	var missing []string
	for _, ds := range rules.Catalog.Datasets {
		for _, site := range ds.Sites {
			if _, ok := cfg.Stores[site.Store]; !ok && ds.Zone.Name == cfg.Zone {
				missing = append(missing, site.Store)
			}
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// noDataset says which datasets there are instead.
func noDataset(rules *access.Rules, name string) error {
	var names []string
	for _, ds := range rules.Catalog.Datasets {
		names = append(names, ds.Name)
	}
	if name == "" {
		return fault.New(fault.BadInput, "the catalogue has several datasets").WithHint("name one with --dataset: %s", strings.Join(names, ", "))
	}
	return fault.New(fault.BadInput, "the catalogue has no dataset %q", name).WithHint("its datasets are %s", strings.Join(names, ", "))
}

func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (c *checkCmd) against(e *env, rules *access.Rules) error {
	name := c.Dataset
	if name == "" && len(rules.Catalog.Datasets) == 1 {
		name = rules.Catalog.Datasets[0].Name
	}
	ds := rules.Catalog.Dataset(name)
	if ds == nil {
		return noDataset(rules, name)
	}
	conn, err := connectStore(e.ctx, "--against-store", c.AgainstStore)
	if err != nil {
		return err
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
