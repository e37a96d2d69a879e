package main

import (
	"os"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

type publishCmd struct {
	connection `embed:""`
}

func (c *publishCmd) Run(e *env) error {
	cfg, err := app.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	sources, err := cfg.Sources()
	if err != nil {
		return err
	}
	cl, err := c.open(nil)
	if err != nil {
		return err
	}
	var out api.Published
	if err := cl.call(e.ctx, "/v1/rules", api.Rules{Sources: sources}, &out); err != nil {
		return err
	}
	e.printf("rules %s are in force since entry %d\n", out.Digest, out.Entry)
	e.printf("uncountersigned: no overseer is configured, so they took effect at once\n")
	return nil
}

type enrolCmd struct {
	connection `embed:""`
	Login      string `arg:"" help:"Login of the staff directory."`
	Key        string `required:"" type:"path" help:"Their public key file, such as id_ed25519.pub."`
}

func (c *enrolCmd) Run(e *env) error {
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return fault.New(fault.BadInput, "%s", err)
	}
	cl, err := c.open(nil)
	if err != nil {
		return err
	}
	var out api.Enrolled
	if err := cl.call(e.ctx, "/v1/keys", api.Enrolment{Login: c.Login, Key: string(key)}, &out); err != nil {
		return err
	}
	e.printf("%s is enrolled for %s (entry %d)\n", out.Fingerprint, c.Login, out.Entry)
	return nil
}
