package kill

import (
	"encoding/json"

	"github.com/trefoil-dev/trefoil/record"
)

// batches follows what one run recorded of the service.
type batches struct {
	newest          uint64            // batch
	open            int64             // statements that it left open, as it says itself
	asked, answered map[uint64]uint64 // newest statement of each session, newest with a result
}

func newBatches() *batches {
	return &batches{asked: make(map[uint64]uint64), answered: make(map[uint64]uint64)}
}

// id stands for a statement of a session among the sequences of those of people.
func id(session, n uint64) uint64 { return session<<32 | n }

// add notes the statements and results of a batch.
func (b *batches) add(r *run, e entry, texts map[string][]uint64, rows map[uint64]int64) {
	r.t.Helper()
	var body record.Statements
	decode(r.t, e, record.PartDecision, &body)
	var batch record.Batch
	decode(r.t, e, record.PartStatement, &batch)
	lines := make([]record.Line, len(batch.Lines))
	for i, raw := range batch.Lines {
		canonical, err := record.Canonical(json.RawMessage(raw)) // the API's encoder escapes more
		if err == nil {
			lines[i], err = record.ParseLine(canonical)
		}
		if err != nil {
			r.t.Fatalf("kill %d: entry %d, line %d: %v", r.round, e.Seq, i, err)
		}
		switch {
		case lines[i].Statement != nil:
			s := lines[i].Statement
			if s.N != b.asked[s.Session]+1 {
				r.t.Errorf("kill %d: entry %d: statement %d of session %d follows %d", r.round, e.Seq, s.N, s.Session, b.asked[s.Session])
			}
			b.asked[s.Session] = s.N
			if name := nameIn(lines[s.Text].Text.SQL, s.Params); name != "" {
				texts[name] = append(texts[name], id(s.Session, s.N))
			}
		case lines[i].Result != nil:
			res := lines[i].Result
			if res.Of > b.asked[res.Session] {
				r.t.Errorf("kill %d: entry %d holds the result of statement %d of session %d, which is none", r.round, e.Seq, res.Of, res.Session)
			}
			if res.Outcome == "" {
				rows[id(res.Session, res.Of)] = res.Rows
			}
			if res.Outcome != record.Pending {
				b.answered[res.Session] = max(b.answered[res.Session], res.Of)
			}
		}
	}
	var open int64
	for session, n := range b.asked {
		open += int64(n - b.answered[session])
	}
	if b.newest, b.open = e.Seq, body.Open; open != body.Open {
		r.t.Errorf("kill %d: entry %d says that %d statements are open, its lines and those before leave %d", r.round, e.Seq, body.Open, open)
	}
}
