package pggate

import (
	"sync"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// step is a client message that the store answers.
type step uint8

const (
	stepQuery step = iota
	stepParse
	stepBind
	stepDescribe
	stepExecute
	stepClose
	stepSync
)

// maxDue bounds how many answers a pipelining client may leave outstanding; then
// the gate stops reading from it until some have come.
const maxDue = 1 << 16

// item is one answer still due.
type item struct {
	step    step
	entry   bool      // pos is the record of what this message makes the store do
	pos     uint64    //
	start   int64     // nanoseconds on the relay's clock
	segment uint64    // number of Syncs forwarded before it
	def     *prepared // of a Parse, or of a Close of a statement
	refusal *refusal  // the message stands in for a refused one
}

// due is the queue of answers the store still owes, in the order of the client's
// messages: it is how a result finds its record, and how the gate learns which
// names the store knows. It is also where the two directions wait for each other.
type due struct {
	mu    sync.Mutex
	moved sync.Cond // an item was taken, or the session ended
	ring  []item    // length is a power of two
	head  int
	n     int
	taken uint64 // items, ever
	ended bool
	skip  bool // the store has failed and skips to the next Sync
}

func newDue() *due {
	d := &due{ring: make([]item, 4)}
	d.moved.L = &d.mu
	return d
}

// full reports whether push would wait.
func (d *due) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n >= maxDue
}

// push appends an item. It waits while the queue is full, unless the store is
// skipping: then no answer comes before a Sync, which could not be sent.
func (d *due) push(it item) *fault.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.n >= maxDue && !d.ended && !d.skip {
		d.moved.Wait()
	}
	if d.ended {
		return errEnded()
	}
	if d.n >= maxDue && it.step != stepSync {
		return fault.New(fault.TooMany, "more than %d messages without a Sync", maxDue)
	}
	if d.n == len(d.ring) {
		ring := make([]item, 2*len(d.ring))
		for i := range d.n {
			ring[i] = d.ring[(d.head+i)&(len(d.ring)-1)]
		}
		d.ring, d.head = ring, 0
	}
	d.ring[(d.head+d.n)&(len(d.ring)-1)] = it
	d.n++
	return nil
}

// peek gives a copy of the oldest item.
func (d *due) peek() (it item, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n == 0 {
		return item{}, false
	}
	return d.ring[d.head], true
}

// pop takes the oldest item off. The outcome of a Parse (defined, failed) or of a
// Close (closed) becomes the fate of its definition; a Close that failed changes
// nothing.
func (d *due) pop(outcome fate) (it item, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n == 0 {
		return item{}, false
	}
	it = d.ring[d.head]
	d.ring[d.head] = item{} // keeps no definition alive
	d.head = (d.head + 1) & (len(d.ring) - 1)
	d.n--
	d.taken++
	if it.def != nil && outcome != undecided && (it.step == stepParse || outcome == closed) {
		it.def.fate = outcome
	}
	if it.step == stepParse {
		it.entry, it.pos = it.def != nil && it.def.entry, 0
		if it.entry {
			it.pos = it.def.pos
		}
	}
	d.moved.Broadcast()
	return it, true
}

// progress tells how many answers have come, and whether one is due.
func (d *due) progress() (taken uint64, owed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taken, d.n > 0
}

// recorded notes that a Parse has an entry of its own, made after it was queued
// and before it is forwarded.
func (d *due) recorded(def *prepared, pos uint64) {
	d.mu.Lock()
	def.entry, def.pos = true, pos
	d.mu.Unlock()
}

// decided waits until the store has answered the Parse of def. false: session ended.
func (d *due) decided(def *prepared) (fate, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for def.fate == undecided && !d.ended {
		d.moved.Wait()
	}
	return def.fate, def.fate != undecided
}

// fate reads what is known of def by now.
func (d *due) fate(def *prepared) fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	return def.fate
}

// failing notes that the store skips, or has stopped skipping, to the next Sync.
func (d *due) failing(skip bool) {
	d.mu.Lock()
	d.skip = skip
	d.moved.Broadcast()
	d.mu.Unlock()
}

// end wakes everybody who waits.
func (d *due) end() {
	d.mu.Lock()
	d.ended = true
	d.moved.Broadcast()
	d.mu.Unlock()
}
