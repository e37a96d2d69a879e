package bypass

import (
	"testing"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/test/world"
)

// A store whose PostgreSQL leaks rows through the planner's statistics is not
// opened, though its lenses and fence are as they must be.
func TestOldStoreIsRefused(t *testing.T) {
	w := world.New(t)
	to := caseTarget(t, w)
	to.connect().leave()
	pgtest.Pretend(t, to.store, 150013)
	to.noticed()
	c := to.with()
	for _, want := range []string{"55000", "PostgreSQL 15.13 leaks hidden rows", "15.14 or later"} {
		if !c.hello.contains(want) {
			t.Errorf("the refusal does not say %q: %q", want, c.seen.String())
		}
	}
}
