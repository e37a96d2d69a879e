package app

import (
	"slices"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/record"
)

// fold computes the state as of the log's end, and what the last run left open.
func fold(l *ledger.Log) (state access.State, left interrupted, err error) {
	end := l.Durable()
	epoch, clean, err := lastRun(l, end)
	if err != nil {
		return state, left, err
	}
	left = interrupted{statements: make(map[uint64]bool), batches: make(map[uint64]batch)}
	want := func(leaf *record.Leaf) bool {
		return access.Bears(leaf.Kind) || !clean && leaf.Epoch == epoch && (leaf.Kind == record.KindResult || leaf.Kind == record.KindStatements)
	}
	err = l.Walk(0, end, want, func(e record.Entry) error {
		if !clean && e.Epoch == epoch {
			if err := left.add(e); err != nil {
				return err
			}
		}
		return access.Replay(&state, e)
	})
	return state, left, err
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

// interrupted is what a run left open: what was asked may have been delivered.
type interrupted struct {
	statements map[uint64]bool  // without a result
	batches    map[uint64]batch // by grant: the newest, unless all it knew of was answered
}

type batch struct {
	seq  uint64
	open int64
}

func (i *interrupted) add(e record.Entry) error {
	switch e.Kind {
	case record.KindStatement:
		i.statements[e.Seq] = true
	case record.KindResult:
		r, err := decision[record.Result](e)
		if err == nil && e.Outcome != record.Pending {
			delete(i.statements, r.Statement)
		}
		return err
	case record.KindStatements:
		b, err := decision[record.Statements](e)
		delete(i.batches, b.Grant)
		if b.Open > 0 {
			i.batches[b.Grant] = batch{e.Seq, b.Open}
		}
		return err
	}
	return nil
}

func decision[T any](e record.Entry) (v T, err error) {
	data, err := e.Part(record.PartDecision)
	if err == nil {
		err = record.ParseCanonical(data, &v)
	}
	return v, err
}

// fill writes it into a start entry, which names at most 1,000.
func (i *interrupted) fill(body *record.Start) {
	const most = 1000
	all := []uint64{}
	for seq := range i.statements {
		all = append(all, seq)
	}
	for _, b := range i.batches {
		all = append(all, b.seq)
		body.More += b.open - 1
	}
	slices.Sort(all)
	body.Interrupted = all[:min(most, len(all))]
	body.More += int64(len(all) - len(body.Interrupted))
}
