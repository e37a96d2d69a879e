package access_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// TestOneOfManyPublishersWins has several publish other rules at once, each
// having seen the same ones in force.
func TestOneOfManyPublishersWins(t *testing.T) {
	log := &memory{}
	r := access.NewRegister(log, log.clock, access.State{}, []string{"masked"}, func(*access.State) {})
	after := "none"
	for round := range 3 {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		won := make([]string, len(errs))
		for i := range errs {
			sources := examples(t)
			for j := range sources {
				if sources[j].Kind == access.SourceCountries {
					sources[j].Text += fmt.Sprintf("# publisher %d, round %d\n", i, round)
				}
			}
			wg.Go(func() {
				_, rules, err := r.Publish(context.Background(), record.Actor{}, sources, after)
				if errs[i] = err; err == nil {
					won[i] = rules.Digest.String()
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil && (kindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "other rules are in force by now: "+r.State().Rules.Digest.String())) {
				t.Errorf("round %d: %v", round, err)
			}
		}
		if all := strings.Join(won, ""); all != r.State().Rules.Digest.String() {
			t.Fatalf("round %d: published %q, want one", round, won)
		}
		after = r.State().Rules.Digest.String()
	}
}
