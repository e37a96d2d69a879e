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
	// known is the one thing that it finds through the gate as well, and that
	// docs/known-limitations.md owns up to.
	known string
	// every has it tried through every lens, not the masked ones alone.
	every bool
}

func attacks() []attack {
	return slices.Concat(identity(), rows(), statistics(), channels(), protocol(), wire(), limits(), suspension(), definer())
}

func TestBypass(t *testing.T) {
	w, c := world.New(t), newControl(t)
	// safe runs an attack that must find nothing.
	safe := func(a attack, to *target) {
		to.tb.Helper()
		leaked := to.leaked(a.run(to))
		if a.known != "" && slices.Equal(leaked, []string{a.known}) {
			return
		}
		if len(leaked) > 0 || a.known != "" {
			to.tb.Errorf("leaked: %s; known is %q", strings.Join(leaked, "; "), a.known)
		}
	}
	sessions := []struct {
		name  string
		every bool
		open  func(testing.TB, *world.World) *target
	}{{"case", false, caseTarget}, {"bulk", false, bulkTarget}, {"clear", true, clearTarget}, {"pseudonymous", true, pseudonymousTarget}}
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			for _, s := range sessions {
				if s.every && !a.every {
					continue
				}
				t.Run(s.name, func(t *testing.T) { safe(a, s.open(t, w)) })
			}
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
