package proof

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Frontier computes an RFC 6962 root over entry hashes in order, holding only
// the roots of the complete subtrees: at most 62 hashes, however long the log.
type Frontier struct {
	size  uint64
	roots []tlog.Hash // of subtrees from left to right, sizes as the bits of size
}

// Add appends the next entry's hash.
func (f *Frontier) Add(h tlog.Hash) {
	for range bits.TrailingZeros64(^f.size) {
		last := len(f.roots) - 1
		h = tlog.NodeHash(f.roots[last], h)
		f.roots = f.roots[:last]
	}
	f.roots = append(f.roots, h)
	f.size++
}

// Size is the number of entries added.
func (f *Frontier) Size() uint64 { return f.size }

// Root is the tree's root; of an empty tree, SHA-256 of nothing.
func (f *Frontier) Root() tlog.Hash {
	if len(f.roots) == 0 {
		h, _ := tlog.TreeHash(0, nil) // of no entries it reads nothing and cannot fail
		return h
	}
	h := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.roots[i], h)
	}
	return h
}
