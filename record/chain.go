package record

import "fmt"

// Chain checks that leaves follow each other: index is sequence, each names the
// hash of the one before, time never goes back.
type Chain struct {
	Next uint64 // sequence of the leaf that must come now
	prev Hash
	time int64
}

// Fault names the entry that is not what the log claims.
type Fault struct {
	Seq uint64
	Why string
}

func (f *Fault) Error() string { return fmt.Sprintf("entry %d: %s", f.Seq, f.Why) }

// Follow takes the next leaf's bytes. A *Fault names the entry at fault: where
// prev does not fit, that is the entry before, since the later one's author
// hashed something else.
func (c *Chain) Follow(leaf []byte) (Leaf, error) {
	l, err := ParseLeaf(leaf)
	switch {
	case err != nil:
		return l, &Fault{c.Next, err.Error()}
	case l.Seq != c.Next:
		return l, &Fault{c.Next, fmt.Sprintf("it calls itself entry %d", l.Seq)}
	case l.Prev != c.prev && c.Next == 0:
		return l, &Fault{0, "genesis names an entry before it"}
	case l.Prev != c.prev:
		return l, &Fault{c.Next - 1, "it is not the entry that the next one follows"}
	case l.Time < c.time:
		return l, &Fault{c.Next, "its time is before that of the entry before"}
	}
	c.prev, c.time = LeafHash(leaf), l.Time
	c.Next++
	return l, nil
}
