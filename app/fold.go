package app

import (
	"slices"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/record"
)

// fold computes the state as of the log's end, and which statements of the last
// run have no result: what they asked for may have been delivered.
func fold(l *ledger.Log) (state access.State, interrupted []uint64, err error) {
	end := l.Durable()
	epoch, clean, err := lastRun(l, end)
	if err != nil {
		return state, nil, err
	}
	open := make(map[uint64]bool)
	want := func(leaf *record.Leaf) bool {
		return access.Bears(leaf.Kind) || !clean && leaf.Epoch == epoch && leaf.Kind == record.KindResult
	}
	err = l.Walk(0, end, want, func(e record.Entry) error {
		if !clean && e.Epoch == epoch {
			if err := pair(open, e); err != nil {
				return err
			}
		}
		return access.Replay(&state, e)
	})
	for seq := range open {
		interrupted = append(interrupted, seq)
	}
	slices.Sort(interrupted)
	return state, interrupted, err
}

// lastRun gives the newest run's epoch and whether it ended with a stop entry.
func lastRun(l *ledger.Log, end uint64) (epoch uint64, clean bool, err error) {
	raw, err := l.Leaf(end - 1)
	if err != nil {
		return 0, false, err
	}
	leaf, err := record.ParseLeaf(raw)
	return leaf.Epoch, leaf.Kind == record.KindStop || leaf.Kind == record.KindGenesis, err
}

// pair keeps the statements that have no result yet.
func pair(open map[uint64]bool, e record.Entry) error {
	switch e.Kind {
	case record.KindStatement:
		open[e.Seq] = true
	case record.KindResult:
		data, err := e.Part(record.PartDecision)
		if err != nil {
			return err
		}
		var r record.Result
		if err := record.ParseCanonical(data, &r); err != nil {
			return err
		}
		if e.Outcome != record.Pending {
			delete(open, r.Statement)
		}
	}
	return nil
}
