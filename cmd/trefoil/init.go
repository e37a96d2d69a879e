package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/trefoil-dev/trefoil/app"
	example "github.com/trefoil-dev/trefoil/examples/clips"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

type initCmd struct {
	Dir     string   `arg:"" optional:"" default:"." type:"path" help:"Where trefoil.yaml, keys/ and data/ go [here]."`
	Zone    string   `default:"eu" help:"Zone of the catalogue whose log this is."`
	Origin  string   `placeholder:"NAME" help:"The log's name for the world, such as trefoil.example.org/eu; without it trefoil.example/ZONE."`
	Host    []string `default:"localhost,127.0.0.1" help:"Names and addresses for the self-signed certificate."`
	Example bool     `help:"Also write rules/: those of the example's zone eu, or us, with dataset clips, to start from."`
	Print   bool     `help:"Print the commented configuration and make nothing."`
}

func (c *initCmd) Run(e *env) error {
	if c.Print {
		e.printf("%s", app.Template)
		return nil
	}
	if c.Origin == "" {
		c.Origin = "trefoil.example/" + c.Zone
	}
	rules := filepath.Join(c.Dir, "rules")
	if _, err := os.Lstat(rules); err == nil && c.Example {
		return fault.New(fault.Conflict, "%s is there already and is not replaced", rules).WithHint("leave out --example")
	}
	hash, err := app.Init(app.InitOptions{Dir: c.Dir, Zone: c.Zone, Origin: c.Origin, Hosts: c.Host, Clock: time.Now})
	if err != nil {
		return err
	}
	if c.Example {
		if err := example.Write(rules, c.Zone); err != nil {
			return err
		}
	}
	path := filepath.Join(c.Dir, "trefoil.yaml")
	e.printf("made %s, three keys in %s, and a log with entry 0\n", path, filepath.Join(c.Dir, "keys"))
	e.printf("genesis %s\n", hash)
	e.printf("give that hash to whoever is to check this log\n")
	e.printf("an editor checks it as you type with this line at its top (the schema: trefoil check --schema config > %s):\n", filepath.Join(c.Dir, "config.schema.json"))
	e.printf("  # yaml-language-server: $schema=config.schema.json\n")
	what := "name your stores in trefoil.yaml"
	if !c.Example {
		what = "write the rules, " + what
	}
	e.printf("next: %s, then\n  trefoil check --config %s\n", what, shown([]string{path}))
	return nil
}
