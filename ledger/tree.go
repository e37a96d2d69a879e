package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// tree is the published half: the tiles on disk, of size entries, and what has
// been added since in memory.
type tree struct {
	dir    string
	signer note.Signer
	size   uint64 // entries the signed checkpoint covers
	root   tlog.Hash

	added  map[int64]tlog.Hash // stored hashes beyond size
	next   uint64              // size plus what was added
	bundle []byte              // entries of the last, partial bundle
	full   map[uint64][]byte   // bundles completed since
}

// openTree reads the checkpoint in dir and checks it against the right edge of
// the tiles.
func openTree(dir string, signer note.Signer, log note.Verifier) (*tree, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return nil, err
	}
	head, err := proof.OpenCheckpoint(raw, log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; is this the key the log was made with?", filepath.Join(dir, "checkpoint"), err)
	}
	t := &tree{dir: dir, signer: signer, size: uint64(head.N), root: head.Hash, next: uint64(head.N)}
	t.reset()
	if rest := int(t.size % proof.TileWidth); rest > 0 {
		data, err := proof.ReadTile(proof.Dir(dir), proof.EntryTile(t.size-1, t.size))
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrInconsistent, err)
		}
		entries, err := proof.SplitBundle(data, rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrInconsistent, err)
		}
		for _, e := range entries {
			t.bundle = proof.AppendEntry(t.bundle, e)
		}
	}
	if t.size > 0 {
		got, err := tlog.TreeHash(head.N, t.published())
		if err != nil || got != head.Hash {
			return nil, fmt.Errorf("%w: the tiles do not give the root of the checkpoint (trefoil log verify names the entry): %v", ErrInconsistent, err)
		}
	}
	return t, nil
}

func (t *tree) reset() {
	t.added, t.full = make(map[int64]tlog.Hash), make(map[uint64][]byte)
}

// published reads hashes of the tree that is on disk, each checked against the root.
func (t *tree) published() tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: int64(t.size), Hash: t.root}, proof.TileReader(proof.Dir(t.dir)))
}

// ReadHashes reads from memory what was added, and the rest from the tiles.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	var missing []int64
	for i, index := range indexes {
		h, ok := t.added[index]
		if !ok {
			missing = append(missing, index)
		}
		out[i] = h
	}
	if len(missing) == 0 {
		return out, nil
	}
	old, err := t.published().ReadHashes(missing)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInconsistent, err)
	}
	for i, index := range indexes {
		if _, ok := t.added[index]; !ok {
			out[i], old = old[0], old[1:]
		}
	}
	return out, nil
}

// add puts the next entry into the tree in memory.
func (t *tree) add(leaf []byte) error {
	hashes, err := tlog.StoredHashesForRecordHash(int64(t.next), record.LeafHash(leaf), t)
	if err != nil {
		return err
	}
	first := tlog.StoredHashIndex(0, int64(t.next))
	for i, h := range hashes {
		t.added[first+int64(i)] = h
	}
	t.bundle = proof.AppendEntry(t.bundle, leaf)
	t.next++
	if t.next%proof.TileWidth == 0 {
		t.full[t.next/proof.TileWidth-1] = t.bundle
		t.bundle = nil
	}
	return nil
}

// publish writes the tiles of everything added, then signs and writes the
// checkpoint. A crash before the last step leaves files nobody refers to.
func (t *tree) publish() error {
	if t.next == t.size {
		return nil
	}
	for n, bundle := range t.full {
		if err := t.writeTile(tlog.Tile{H: proof.TileHeight, L: -1, N: int64(n), W: proof.TileWidth}, bundle); err != nil {
			return err
		}
	}
	if len(t.bundle) > 0 {
		if err := t.writeTile(proof.EntryTile(t.next-1, t.next), t.bundle); err != nil {
			return err
		}
	}
	tiles := tlog.NewTiles(proof.TileHeight, int64(t.size), int64(t.next))
	for _, tile := range tiles {
		data, err := tlog.ReadTileData(tile, t)
		if err != nil {
			return err
		}
		if err := t.writeTile(tile, data); err != nil {
			return err
		}
	}
	root, err := tlog.TreeHash(int64(t.next), t)
	if err != nil {
		return err
	}
	raw, err := proof.SignCheckpoint(t.next, root, t.signer)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(t.dir, "checkpoint"), raw, 0o644); err != nil {
		return err
	}
	t.size, t.root = t.next, root
	t.dropPartials(tiles)
	t.reset()
	return nil
}

func (t *tree) writeTile(tile tlog.Tile, data []byte) error {
	path := filepath.Join(t.dir, filepath.FromSlash(proof.TilePath(tile)))
	err := durable.WriteFile(path, data, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err := mkdirDurable(filepath.Dir(path)); err != nil {
			return err
		}
		err = durable.WriteFile(path, data, 0o644)
	}
	return err
}

// dropPartials removes partial tiles whose full tile is published now, as C2SP
// tlog-tiles allows.
func (t *tree) dropPartials(tiles []tlog.Tile) {
	drop := func(tile tlog.Tile) {
		os.RemoveAll(filepath.Join(t.dir, filepath.FromSlash(proof.TilePath(tile))) + ".p")
	}
	for n := range t.full {
		drop(tlog.Tile{H: proof.TileHeight, L: -1, N: int64(n), W: proof.TileWidth})
	}
	for _, tile := range tiles {
		if tile.W == proof.TileWidth {
			drop(tile)
		}
	}
}

// mkdirDurable makes a directory and those above it, names durable.
func mkdirDurable(dir string) error {
	if err := os.Mkdir(dir, 0o755); err == nil || errors.Is(err, fs.ErrExist) {
		return durable.SyncDir(filepath.Dir(dir))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := mkdirDurable(filepath.Dir(dir)); err != nil {
		return err
	}
	return mkdirDurable(dir)
}

// removeTemps deletes what a crash left of durable.WriteFile at the top.
func removeTemps(dir string) error {
	for _, sub := range []string{".", "log"} {
		names, err := filepath.Glob(filepath.Join(dir, sub, ".*.*"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}
