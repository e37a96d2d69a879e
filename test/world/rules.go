package world

import (
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/record"
)

func rules(tb testing.TB, sources []record.Source) *access.Rules {
	tb.Helper()
	r, err := access.LoadRules(sources)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
