// Package bypass tries what has got people past gateways in front of PostgreSQL:
// each attack is one function, run against the gate and against a naive proxy.
//
// Through the gate it must find nothing, both as a session that sees one case and
// as one that sees whole tables, masked. Through the proxy (test/naive, over the
// same data) it must find something, or the test would prove nothing; unless
// PostgreSQL itself refuses, which is then what the test expects there.
//
// The table in docs/threat-model.md, "Bypass rows", lists the attacks.
package bypass

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/test/world"
)

// attack is one way around a gateway.
type attack struct {
	name string // begins with its number in the list of known bypasses
	// run gives what it found; secrets that reached a client are added by target.leaked.
	run func(t *target) []string
	// refused is set where PostgreSQL withstands by itself: the SQLSTATE it answers,
	// or "silently".
	refused string
}

func attacks() []attack {
	return slices.Concat(identity(), rows(), protocol(), suspension(), definer())
}

func TestBypass(t *testing.T) {
	w, c := world.New(t), newControl(t)
	// safe runs an attack that must find nothing.
	safe := func(a attack, to *target) {
		to.tb.Helper()
		if leaked := to.leaked(a.run(to)); len(leaked) > 0 {
			to.tb.Errorf("leaked: %s", strings.Join(leaked, "; "))
		}
	}
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			t.Run("case", func(t *testing.T) { safe(a, caseTarget(t, w)) })
			t.Run("bulk", func(t *testing.T) { safe(a, bulkTarget(t, w)) })
			t.Run("naive", func(t *testing.T) {
				to := c.target(t)
				if a.refused != "" {
					safe(a, to)
					if a.refused != "silently" && !slices.Contains(to.states(), a.refused) {
						t.Errorf("PostgreSQL answered %v, want %s", to.states(), a.refused)
					}
					return
				}
				leaked := to.leaked(a.run(to))
				if len(leaked) == 0 {
					t.Errorf("the attack found nothing where nothing stands against it; it was answered %v", to.states())
				}
				t.Logf("leaked: %s", strings.Join(leaked, "; "))
			})
		})
	}
	t.Run("repair", func(t *testing.T) { repair(t, w) })
}

func TestEveryAttackIsInTheThreatModel(t *testing.T) {
	doc, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attacks() {
		if strings.Count(string(doc), "`"+a.name+"`") != 1 {
			t.Errorf("docs/threat-model.md does not list %s once", a.name)
		}
	}
}
