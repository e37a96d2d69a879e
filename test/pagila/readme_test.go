//go:build pagila

package pagila

import (
	"os"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/internal/readme"
)

func TestREADME(t *testing.T) {
	c := pgtest.New(t)
	out := readme.FirstZone(t, "../..", readme.Commands(t, "../../examples/pagila/README.md", ""), c, "pagila",
		append(c.Env("postgres"), "DATA="+os.Getenv("TREFOIL_TEST_DATA"))...)
	for _, want := range []string{"rewards_report(", "runs with its owner's rights", "dublin-1 is fenced; pagila_staff has the lenses", "grant g-", "masked/case of pagila"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in what the commands print:\n%s", want, out)
		}
	}
}
