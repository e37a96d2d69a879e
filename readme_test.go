package trefoil_test

import (
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/internal/readme"
)

func TestREADMETryIt(t *testing.T) {
	out := readme.Type(t, ".", readme.Commands(t, "README.md", "Try it in five minutes"))
	for _, want := range []string{"a***@***", "third-country-law", "approver-outside-hierarchy", "could mean 4 things", "vetted-staff", "is whole", "was altered"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo did not print %q", want)
		}
	}
}

func TestREADMEFirstZone(t *testing.T) {
	c := pgtest.New(t)
	script := readme.Commands(t, "README.md", "Your first zone, dataset and rule")
	out := readme.FirstZone(t, ".", "make build\n"+script, c, "clips", c.Env("clips")...)
	if !strings.Contains(out, "grant g-") || !strings.Contains(out, "masked/case of clips") {
		t.Errorf("no grant at the end:\n%s", out)
	}
}
