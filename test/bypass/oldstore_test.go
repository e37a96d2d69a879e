package bypass

import (
	"testing"
	"time"

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
	// A server that is older than a moment ago has been started since.
	to.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'trefoil_gate'")
	for stop := time.Now().Add(patience); time.Now().Before(stop); {
		c := to.with()
		if !c.over {
			c.leave()
		}
		if c.hello.contains("PostgreSQL 15.13 leaks hidden rows") && c.hello.contains("15.14 or later") && c.hello.contains("55000") {
			return
		}
	}
	t.Error("the gate still opens sessions, or says something else")
}
