package main

import (
	"os"
	"strings"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

type publishCmd struct {
	socket `embed:""`
	DryRun bool `help:"Show the differences and publish nothing."`
	Yes    bool `short:"y" help:"Don't ask on a terminal."`
}

func (c *publishCmd) Run(e *env) error {
	cfg, err := app.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	rules, err := loadRules(cfg)
	if err != nil {
		return err
	}
	cl, err := c.open()
	if err != nil {
		return err
	}
	st, err := cl.status(e.ctx)
	if err != nil {
		return err
	}
	if st.Rules == rules.Digest.String() {
		e.printf("rules %s are in force already; nothing was recorded\n", st.Rules)
		return nil
	}
	after, err := c.show(e, cl, rules)
	if err != nil {
		return err
	}
	if c.DryRun {
		e.printf("nothing was published\n")
		return nil
	}
	if !c.Yes && onTerminal() {
		if err := confirm(e, "publish these rules?"); err != nil {
			return err
		}
	}
	var out api.Published
	if err := cl.call(e.ctx, "/v1/rules", api.Rules{Sources: rules.Sources, After: after}, &out); err != nil {
		return err
	}
	e.printf("rules %s are in force since entry %d\n", out.Digest, out.Entry)
	e.printf("uncountersigned: no overseer is configured, so they took effect at once\n")
	return nil
}

type enrolCmd struct {
	socket `embed:""`
	Login  string `arg:"" help:"Login of the staff directory."`
	Key    string `required:"" type:"path" placeholder:"FILE" help:"Their public key, such as ~/.ssh/id_ed25519.pub."`
}

func (c *enrolCmd) Run(e *env) error {
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	if _, _, err := identity.ParseAuthorizedKey(key); err != nil { // a private key does not leave this process
		return fault.New(fault.BadInput, "%s: %s", c.Key, err).WithHint("give the .pub file that ssh-keygen made")
	}
	cl, err := c.open()
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

type withdrawCmd struct {
	socket `embed:""`
	Login  string `arg:"" help:"Login it was enrolled for."`
	Key    string `required:"" placeholder:"KEY" help:"Its fingerprint (SHA256:…), as enrol printed it, or the file of the public key."`
}

func (c *withdrawCmd) Run(e *env) error {
	if !strings.HasPrefix(c.Key, "SHA256:") {
		text, err := os.ReadFile(c.Key)
		if err != nil {
			return err
		}
		pub, _, err := identity.ParseAuthorizedKey(text)
		if err != nil {
			return fault.New(fault.BadInput, "%s: %s", c.Key, err).WithHint("give the .pub file, or the fingerprint")
		}
		c.Key = identity.Enrolled(pub).Fingerprint
	}
	cl, err := c.open()
	if err != nil {
		return err
	}
	var out api.Enrolled
	if err := cl.call(e.ctx, "/v1/keys/withdraw", api.Withdrawal{Login: c.Login, Fingerprint: c.Key}, &out); err != nil {
		return err
	}
	e.printf("%s counts for %s no longer (entry %d)\n", out.Fingerprint, c.Login, out.Entry)
	e.printf("what it signed before stands: trefoil log search --person %s --kind grant, then trefoil access revoke\n", c.Login)
	return nil
}
