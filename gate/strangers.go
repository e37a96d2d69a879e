package gate

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"github.com/trefoil-dev/trefoil/record"
)

// maxSources bounds what one minute remembers; the rest is only counted.
const maxSources = 200

type stranger struct {
	from   netip.Addr
	reason string
}

// strangers counts attempts that never proved who they were: one entry a
// minute, so that a flood of them can't flood the log.
type strangers struct {
	mu     sync.Mutex
	since  int64
	counts map[stranger]int64
	more   int64
}

func (s *strangers) count(from netip.Addr, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := stranger{from, reason}
	if _, ok := s.counts[k]; !ok && len(s.counts) >= maxSources {
		s.more++
		return
	}
	if s.counts == nil {
		s.counts = make(map[stranger]int64)
	}
	s.counts[k]++
}

// take empties the count.
func (s *strangers) take(now int64) (record.Strangers, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := record.Strangers{Since: s.since, Counts: []record.StrangerCount{}, More: s.more}
	for k, n := range s.counts {
		body.Counts = append(body.Counts, record.StrangerCount{Address: k.from.String(), Reason: k.reason, Count: n})
	}
	slices.SortFunc(body.Counts, func(a, b record.StrangerCount) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Reason, b.Reason))
	})
	s.since, s.counts, s.more = now, nil, 0
	return body, len(body.Counts) > 0
}

func (g *Gate) recordStrangers() {
	body, any := g.strangers.take(g.now())
	if !any {
		return
	}
	var d record.Draft
	d.Reset(record.KindStrangers, record.Denied, "")
	err := d.AddJSON(record.PartDecision, body)
	if err == nil {
		_, err = g.record.Append(&d)
	}
	if err != nil {
		g.log.Error("attempts of strangers could not be recorded", "err", err)
	}
}
