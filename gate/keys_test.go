package gate

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// keeper is a store that only answers about keys.
type keeper struct {
	Store
	answer error
	n      int
}

func (k *keeper) Keys(context.Context, *catalog.Dataset, string, []string) error {
	k.n++
	return k.answer
}

func TestOneStoreThatAnswersSaysWhatKeysAre(t *testing.T) {
	refusal, away := fault.New(fault.BadInput, "no key"), fault.New(fault.StoreAway, "away")
	ds := &catalog.Dataset{Name: "clips", Sites: []*catalog.Site{{Name: "a", Store: "a"}, {Name: "elsewhere", Store: "elsewhere"}, {Name: "b", Store: "b"}}}
	for _, c := range []struct {
		what    string
		a, b    error
		sites   []string
		refused bool
		calls   []int
	}{
		{"the first takes them", nil, refusal, nil, false, []int{1, 0}},
		{"the first refuses", refusal, nil, nil, true, []int{1, 0}},
		{"the first is away", away, refusal, nil, true, []int{1, 1}},
		{"only the second is meant", nil, refusal, []string{"b"}, true, []int{0, 1}},
		{"nobody answers", away, away, nil, false, []int{1, 1}},
		{"no store here", nil, nil, []string{"elsewhere"}, false, []int{0, 0}},
	} {
		a, b := &keeper{answer: c.a}, &keeper{answer: c.b}
		g := New(Config{Stores: map[string]Store{"a": a, "b": b}, Logger: slog.New(slog.DiscardHandler)})
		err := g.Keys(context.Background(), ds, c.sites, "masked", []string{"aoife"})
		if (err != nil) != c.refused || !slices.Equal([]int{a.n, b.n}, c.calls) {
			t.Errorf("%s: %v after %d and %d calls", c.what, err, a.n, b.n)
		}
	}
}
