package bypass

import (
	"testing"

	"github.com/trefoil-dev/trefoil/test/world"
)

// A session that was open before an operator made a PUBLIC definer function in a
// schema open to PUBLIC is ended by the gate's patrol, seconds later.
func TestDefinerInOpenSession(t *testing.T) {
	w := world.New(t)
	to := caseTarget(t, w)
	c := to.connect()
	mistake(to, "tools")
	c.query("SELECT pg_sleep(60)")
	if !c.over {
		t.Error("the session outlived a minute beside a store that is not fenced")
	}
}
