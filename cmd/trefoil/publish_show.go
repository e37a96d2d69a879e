package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/internal/diff"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// rulesInForce reads the rules in force as the log has them; nil: none yet.
func (c *client) rulesInForce(ctx context.Context) (*access.Rules, error) {
	var in api.Rules
	if err := c.call(ctx, "/v1/rules", nil, &in); err != nil || len(in.Sources) == 0 {
		return nil, err
	}
	return access.LoadRules(in.Sources)
}

// show prints how the rules in the folder differ from those in force, file by
// file and then in words. It gives the digest of those in force.
func (c *publishCmd) show(e *env, cl *client, now *access.Rules) (after string, err error) {
	old, err := cl.rulesInForce(e.ctx)
	if err != nil {
		return "", err
	}
	if old == nil {
		e.printf("no rules are in force yet: all of these are new\n")
		for _, s := range now.Sources {
			e.printf("  %s (%s)\n", s.Name, s.Kind)
		}
		return "none", nil
	}
	before := map[string]record.Source{}
	for _, s := range old.Sources {
		before[s.Kind] = s
	}
	for _, s := range now.Sources {
		o, was := before[s.Kind]
		delete(before, s.Kind)
		switch {
		case !was:
			e.printf("%s is new: %s\n", s.Name, s.Kind)
		case o.Name != s.Name:
			e.printf("%s takes the place of %s: %s\n", s.Name, o.Name, s.Kind)
		}
		e.printf("%s", diff.Unified(o.Name+" (in force)", s.Name+" (here)", o.Text, s.Text))
	}
	for _, s := range old.Sources {
		if _, gone := before[s.Kind]; gone {
			e.printf("%s goes: %s\n", s.Name, s.Kind)
			e.printf("%s", diff.Unified(s.Name+" (in force)", s.Name+" (here)", s.Text, ""))
		}
	}
	changes := access.Changes(old, now)
	counts := map[access.Effect]int{}
	e.printf("what that changes:\n")
	for _, ch := range changes {
		counts[ch.Effect]++
		e.printf("  %-8s  %s\n", ch.Effect, strings.Map(visible, ch.What))
	}
	if len(changes) == 0 {
		e.printf("  nothing but words and comments\n")
	}
	e.printf("access becomes wider by %d, narrower by %d; of %d a person has to say\n", counts[access.Wider], counts[access.Narrower], counts[access.Either])
	return old.Digest.String(), nil
}

// visible takes what a terminal would act on out of texts that others wrote.
func visible(r rune) rune {
	if r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
		return '\ufffd'
	}
	return r
}

// onTerminal says whether somebody can be asked.
func onTerminal() bool {
	_, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
	return err == nil
}

// confirm asks; whatever is not yes is no.
func confirm(e *env, question string) error {
	fmt.Fprintf(e.stderr, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // the end of the input is a no, too
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return fault.New(fault.Denied, "nothing was published").WithHint("trefoil publish --yes asks nothing")
}
