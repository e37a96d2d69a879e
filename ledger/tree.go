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
	dir      string
	signer   note.Signer
	size     uint64          // entries the signed checkpoint covers
	frontier *proof.Frontier // of everything added
	bundle   []byte          // entries of the last, partial bundle
	full     []fullTile      // hash tiles and bundles completed since
}

type fullTile struct {
	tile tlog.Tile
	data []byte
}

// newTree continues a published tree of which bundle holds the last, partial
// bundle.
func newTree(dir string, signer note.Signer, f *proof.Frontier, bundle []byte) *tree {
	t := &tree{dir: dir, signer: signer, size: f.Size(), frontier: f, bundle: bundle}
	f.Full = func(tile tlog.Tile, data []byte) { t.full = append(t.full, fullTile{tile, data}) }
	return t
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
	f, err := proof.OpenFrontier(proof.Dir(dir), head)
	if err != nil {
		return nil, fmt.Errorf("%w: the tiles are not those of the checkpoint (trefoil log verify names the entry): %v", ErrInconsistent, err)
	}
	var bundle []byte
	size := f.Size()
	if rest := int(size % proof.TileWidth); rest > 0 {
		data, err := proof.ReadTile(proof.Dir(dir), proof.EntryTile(size-1, size))
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrInconsistent, err)
		}
		entries, err := proof.SplitBundle(data, rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrInconsistent, err)
		}
		for _, e := range entries {
			bundle = proof.AppendEntry(bundle, e)
		}
	}
	return newTree(dir, signer, f, bundle), nil
}

// next is size plus what was added.
func (t *tree) next() uint64 { return t.frontier.Size() }

// add puts the next entry into the tree in memory.
func (t *tree) add(leaf []byte) {
	t.frontier.Add(record.LeafHash(leaf))
	t.bundle = proof.AppendEntry(t.bundle, leaf)
	if next := t.next(); next%proof.TileWidth == 0 {
		t.full = append(t.full, fullTile{proof.EntryTile(next-1, next), t.bundle})
		t.bundle = make([]byte, 0, len(t.bundle)+len(t.bundle)/8)
	}
}

// publish writes the tiles of everything added, then signs and writes the
// checkpoint. A crash before the last step leaves files nobody refers to.
func (t *tree) publish() error {
	next := t.next()
	if next == t.size {
		return nil
	}
	for _, f := range t.full {
		if err := t.writeTile(f.tile, f.data); err != nil {
			return err
		}
	}
	if len(t.bundle) > 0 {
		if err := t.writeTile(proof.EntryTile(next-1, next), t.bundle); err != nil {
			return err
		}
	}
	err := t.frontier.Edge(func(tile tlog.Tile, data []byte) error {
		if below := proof.TileHeight * tile.L; t.size>>below == next>>below {
			return nil // as published before
		}
		return t.writeTile(tile, data)
	})
	if err != nil {
		return err
	}
	raw, err := proof.SignCheckpoint(next, t.frontier.Root(), t.signer)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(t.dir, "checkpoint"), raw, 0o644); err != nil {
		return err
	}
	t.size = next
	// Partial tiles whose full tile is published now may go: C2SP tlog-tiles.
	for _, f := range t.full {
		os.RemoveAll(filepath.Join(t.dir, filepath.FromSlash(proof.TilePath(f.tile))) + ".p")
	}
	t.full = nil
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

// removeTemps deletes what a crash left of writing the checkpoint.
func removeTemps(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, ".checkpoint.*"))
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return err
}
