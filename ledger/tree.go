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
	tiles := t.full
	if len(t.bundle) > 0 {
		tiles = append(tiles, fullTile{proof.EntryTile(next-1, next), t.bundle})
	}
	_ = t.frontier.Edge(func(tile tlog.Tile, data []byte) error { // which only fails if this does
		if below := proof.TileHeight * tile.L; t.size>>below != next>>below { // else as published before
			tiles = append(tiles, fullTile{tile, data})
		}
		return nil
	})
	if err := t.write(tiles); err != nil {
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

func (t *tree) write(tiles []fullTile) error {
	files := make([]durable.File, len(tiles))
	for i, f := range tiles {
		path := filepath.Join(t.dir, filepath.FromSlash(proof.TilePath(f.tile)))
		files[i] = durable.File{Path: path, Data: f.data, Mode: 0o644}
		dir := filepath.Dir(path)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			if err := mkdirDurable(dir); err != nil {
				return err
			}
		}
	}
	return durable.WriteFiles(files)
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

// removeTemps deletes what a crash left of writing the checkpoint and the tiles
// at the right edge.
func (t *tree) removeTemps() error {
	dirs := []string{t.dir}
	for level := -1; t.size>>(proof.TileHeight*max(level, 0)) > 0; level++ {
		index := t.size >> (proof.TileHeight * (max(level, 0) + 1))
		tile := filepath.Join(t.dir, filepath.FromSlash(proof.TilePath(tlog.Tile{H: proof.TileHeight, L: level, N: int64(index), W: proof.TileWidth})))
		dirs = append(dirs, filepath.Dir(tile), tile+".p")
	}
	for _, dir := range dirs {
		names, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range names {
			if temp, _ := filepath.Match(".*.*", e.Name()); !temp { // the pattern is a good one
				continue
			}
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
