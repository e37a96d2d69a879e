package pggate

import "github.com/trefoil-dev/trefoil/internal/fault"

// Limits of what one session may keep prepared. JDBC keeps 256 statements, pgx 512.
const (
	maxNames     = 2000
	maxNameBytes = 16 << 20
)

// fate is what became of a Parse.
type fate uint8

const (
	undecided fate = iota // not answered yet
	defined               // ParseComplete: the store knows the name by this text
	failed                // an error, or skipped after one: the name is what it was before
	closed                // CloseComplete: the name is free
)

// prepared is one Parse that was let through. text, label and oids are copies.
type prepared struct {
	text, label []byte
	kind        string
	oids        []uint32
	segment     uint64
	prev        *prepared // what the name stood for before; counts again if this Parse fails

	// Under due.mu:
	fate  fate
	entry bool   // the Parse has a record of its own, at pos
	pos   uint64 //
}

// names knows which text a prepared statement's name stands for, as the store
// knows it. That takes the store's answers: a Parse may fail, or be skipped after
// an earlier error, and then the name keeps its old text; a gate that believed the
// client's side alone would record a text the store does not run.
//
// Within a pipeline the answer is not needed: until the next Sync, whatever uses
// the new definition is skipped along with it. Across a Sync it is waited for.
type names struct {
	due   *due
	byKey map[string]*prepared // the unnamed statement is ""
	bytes int
	free  *prepared // one to use again: a client that always parses the unnamed statement allocates nothing
}

func newNames(d *due) *names { return &names{due: d, byKey: map[string]*prepared{}} }

// lookup gives the definition a Bind of name in this segment means, nil when the
// name is not known from a Parse. ok is false when the session ended meanwhile.
func (n *names) lookup(name []byte, segment uint64) (def *prepared, ok bool) {
	for {
		def = n.byKey[string(name)]
		if def == nil {
			return nil, true
		}
		f := n.due.fate(def)
		if f == undecided && def.segment != segment {
			if f, ok = n.due.decided(def); !ok {
				return nil, false
			}
		}
		switch f {
		case undecided, defined:
			return def, true
		case failed:
			n.bytes -= len(def.text)
			if def.prev == nil {
				delete(n.byKey, string(name))
			} else {
				n.byKey[string(name)] = def.prev
			}
		case closed:
			n.forget(string(name), def)
		}
	}
}

// unsure reports whether lookup would wait for the store.
func (n *names) unsure(name []byte, segment uint64) bool {
	def := n.byKey[string(name)]
	return def != nil && def.segment != segment && n.due.fate(def) == undecided
}

// define enters a Parse that is about to be forwarded.
func (n *names) define(name []byte, v *verdict, text []byte, segment uint64) (*prepared, *fault.Error) {
	prev := n.byKey[string(name)]
	if prev != nil && prev.prev != nil && n.due.fate(prev) != undecided {
		// Resolve what is decided, so that the chain stays short.
		var ok bool
		if prev, ok = n.lookup(name, segment); !ok {
			return nil, errEnded()
		}
	}
	if prev != nil && prev.prev != nil && n.due.fate(prev) == defined {
		n.bytes -= len(prev.prev.text)
		n.free, prev.prev = prev.prev, nil
	}
	if prev == nil && len(n.byKey) >= maxNames || n.bytes+len(text) > maxNameBytes {
		n.sweep()
		if prev = n.byKey[string(name)]; len(n.byKey) >= maxNames || n.bytes+len(text) > maxNameBytes {
			return nil, fault.New(fault.TooMany, "too many statements are being prepared at once: %d, with %d bytes of text", len(n.byKey), n.bytes).
				WithHint("send a Sync and read the answers now and then")
		}
	}
	def := n.free
	n.free = nil
	if def == nil {
		def = &prepared{}
	}
	*def = prepared{
		text: append(def.text[:0], text...), label: append(def.label[:0], v.label...), oids: def.oids[:0],
		kind: v.kind, segment: segment, prev: prev,
	}
	n.bytes += len(text)
	if prev != nil {
		n.byKey[string(name)] = def // assigning to an existing key allocates nothing
	} else {
		n.byKey[string(append([]byte(nil), name...))] = def
	}
	return def, nil
}

// sweep forgets every name whose Parse has been answered. A later Bind of one that
// the store still knows is recorded as ByName: its text is in the record made when
// it was parsed.
func (n *names) sweep() {
	for name, def := range n.byKey {
		if n.due.fate(def) != undecided {
			n.forget(name, def)
		}
	}
}

func (n *names) forget(name string, def *prepared) {
	for d := def; d != nil; d = d.prev {
		n.bytes -= len(d.text)
	}
	delete(n.byKey, name)
}
