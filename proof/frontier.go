package proof

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Frontier computes the hash tiles and the RFC 6962 root of a log from its
// entries' hashes in order. It holds only the right edge: of each level the last
// tile while it is not full, 8 KiB at most, however long the log.
type Frontier struct {
	// Full, if set, is given each tile the moment it is full. It may keep the data.
	Full func(tile tlog.Tile, data []byte)

	size uint64
	edge [][]byte // by tile level: the hashes of its last tile, fewer than 256
}

// OpenFrontier continues the published tree: it reads the right edge from src
// and checks it against the root.
func OpenFrontier(src Source, tree tlog.Tree) (*Frontier, error) {
	f := &Frontier{size: uint64(tree.N)}
	for level, n := 0, tree.N; n > 0; level, n = level+1, n>>TileHeight {
		var data []byte
		if w := int(n % TileWidth); w > 0 {
			var err error
			if data, err = ReadTile(src, tlog.Tile{H: TileHeight, L: level, N: n >> TileHeight, W: w}); err != nil {
				return nil, err
			}
		}
		f.edge = append(f.edge, data)
	}
	if root := f.Root(); root != tree.Hash {
		return nil, fmt.Errorf("the last tiles give the root %s, not %s", root, tree.Hash)
	}
	return f, nil
}

// Add appends the next entry's hash.
func (f *Frontier) Add(h tlog.Hash) {
	for level := 0; ; level++ {
		if level == len(f.edge) {
			f.edge = append(f.edge, nil)
		}
		if f.edge[level] == nil {
			f.edge[level] = make([]byte, 0, TileWidth*tlog.HashSize)
		}
		data := append(f.edge[level], h[:]...)
		f.edge[level] = data
		if len(data) < TileWidth*tlog.HashSize {
			break
		}
		f.edge[level] = data[:0]
		if f.Full != nil {
			f.Full(f.tile(level, TileWidth), data)
			f.edge[level] = nil
		}
		h = subtree(data)
	}
	f.size++
}

func (f *Frontier) tile(level, width int) tlog.Tile {
	return tlog.Tile{H: TileHeight, L: level, N: int64(f.size >> (TileHeight * (level + 1))), W: width}
}

// Edge visits the partial tiles, from the lowest level up. Their data is good
// until the next Add.
func (f *Frontier) Edge(visit func(tile tlog.Tile, data []byte) error) error {
	for level, data := range f.edge {
		if len(data) > 0 {
			if err := visit(f.tile(level, len(data)/tlog.HashSize), data); err != nil {
				return err
			}
		}
	}
	return nil
}

// Size is the number of entries added.
func (f *Frontier) Size() uint64 { return f.size }

// Root is the tree's root; of an empty tree, SHA-256 of nothing.
func (f *Frontier) Root() tlog.Hash {
	root, _ := tlog.TreeHash(0, nil) // of no entries it reads nothing and cannot fail
	empty := true
	for _, data := range f.edge { // from the smallest complete subtree, which is the rightmost
		for width := tlog.HashSize; len(data) > 0; width *= 2 {
			if len(data)&width == 0 {
				continue
			}
			h := subtree(data[len(data)-width:])
			data = data[:len(data)-width]
			if !empty {
				h = tlog.NodeHash(h, root)
			}
			root, empty = h, false
		}
	}
	return root
}

// subtree is the root over hashes whose number is a power of two.
func subtree(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	half := len(hashes) / 2
	return tlog.NodeHash(subtree(hashes[:half]), subtree(hashes[half:]))
}
