package main

import (
	"path/filepath"
	"time"

	"github.com/trefoil-dev/trefoil/app"
)

type initCmd struct {
	Dir    string   `arg:"" optional:"" default:"." type:"path" help:"Where trefoil.yaml, keys/ and data/ go."`
	Zone   string   `default:"eu" help:"Zone of the catalogue whose log this is."`
	Origin string   `help:"The log's name for the world, such as trefoil.example.org/eu [trefoil.example/ZONE]."`
	Host   []string `default:"localhost,127.0.0.1" help:"Names and addresses for the self-signed certificate."`
	Print  bool     `help:"Print the commented configuration and make nothing."`
}

func (c *initCmd) Run(e *env) error {
	if c.Print {
		e.printf("%s", app.Template)
		return nil
	}
	if c.Origin == "" {
		c.Origin = "trefoil.example/" + c.Zone
	}
	hash, err := app.Init(app.InitOptions{Dir: c.Dir, Zone: c.Zone, Origin: c.Origin, Hosts: c.Host, Clock: time.Now})
	if err != nil {
		return err
	}
	path := filepath.Join(c.Dir, "trefoil.yaml")
	e.printf("made %s, three keys in %s, and a log with entry 0\n", path, filepath.Join(c.Dir, "keys"))
	e.printf("genesis %s\n", hash)
	e.printf("give that hash to whoever is to check this log; next: write the rules, then\n  trefoil check --config %s\n  trefoil serve --config %s\n", path, path)
	return nil
}
