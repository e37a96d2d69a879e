package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// ErrNoEntry says that the log is not that long.
var ErrNoEntry = errors.New("the log has no such entry")

// Published files, for whoever wants to read them as any C2SP client does.
func (l *Log) Source() proof.Source { return proof.Dir(filepath.Join(l.opt.Dir, "log")) }

// Leaf gives the bytes of one durable leaf.
func (l *Log) Leaf(seq uint64) ([]byte, error) {
	if seq >= l.published.Load() {
		frame, err := l.frame(seq)
		if err == nil {
			leaf, _, err := record.SplitEntry(frame)
			return leaf, err
		}
		if seq >= l.published.Load() { // else it was published in between
			return nil, err
		}
	}
	return publishedLeaf(l.Source(), seq, l.published.Load())
}

func publishedLeaf(src proof.Source, seq, size uint64) ([]byte, error) {
	tile := proof.EntryTile(seq, size)
	data, err := proof.ReadTile(src, tile)
	if err != nil {
		return nil, err
	}
	entries, err := proof.SplitBundle(data, int(seq%proof.TileWidth)+1)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInconsistent, err)
	}
	return entries[seq%proof.TileWidth], nil
}

// frame finds a durable entry in the write-ahead log.
func (l *Log) frame(seq uint64) ([]byte, error) {
	if seq >= l.durable.Load() {
		return nil, fmt.Errorf("entry %d: %w", seq, ErrNoEntry)
	}
	r := l.readTail(seq)
	defer r.close()
	return r.frame()
}

// readTail reads the write-ahead log from an entry on, beginning where the
// builder last stopped if that is not beyond it.
func (l *Log) readTail(seq uint64) *walReader {
	r := &walReader{dir: l.wal.dir, next: seq}
	if p := l.built.Load(); p != nil && p.next <= seq {
		_ = r.openAt(*p) // if the segment is gone, frame looks for the right one
	}
	return r
}

// Read gives a durable entry with the parts that have not been erased.
func (l *Log) Read(seq uint64) (record.Entry, error) {
	if seq >= l.published.Load() {
		frame, err := l.frame(seq)
		if err == nil {
			return parseEntry(frame)
		}
		if seq >= l.published.Load() { // else it was published in between
			return record.Entry{}, err
		}
	}
	var found record.Entry
	err := l.openBundle(seq/proof.TileWidth, seq, min(seq+1, l.published.Load()), func(e record.Entry, _ []record.Hash) error {
		found = e
		return nil
	})
	return found, err
}

func parseEntry(frame []byte) (e record.Entry, err error) {
	leaf, parts, err := record.SplitEntry(frame)
	if err == nil {
		e.Leaf, err = record.ParseLeaf(leaf)
	}
	e.Parts = parts
	return e, err
}

// Walk visits the durable entries from 'from' up to, not including, 'to', in
// order. want says for which kinds the parts are opened; the other entries come
// without.
func (l *Log) Walk(from, to uint64, want func(*record.Leaf) bool, visit func(record.Entry) error) error {
	to = min(to, l.durable.Load())
	for from < to && from < l.published.Load() {
		size := l.published.Load()
		bundle := from / proof.TileWidth
		end := min(to, size, (bundle+1)*proof.TileWidth)
		if err := l.walkBundle(bundle, from, end, size, want, visit); err != nil {
			return err
		}
		from = end
	}
	if from >= to {
		return nil
	}
	r := l.readTail(from)
	defer r.close()
	for ; from < to; from++ {
		frame, err := r.frame()
		if err != nil {
			if from < l.published.Load() { // published and dropped under us
				return l.Walk(from, to, want, visit)
			}
			return err
		}
		e, err := parseEntry(bytes.Clone(frame)) // visit may keep what it gets
		if err == nil {
			err = visit(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) walkBundle(bundle, from, to, size uint64, want func(*record.Leaf) bool, visit func(record.Entry) error) error {
	data, err := proof.ReadTile(l.Source(), proof.EntryTile(to-1, size))
	if err != nil {
		return err
	}
	leaves, err := proof.SplitBundle(data, int(to-bundle*proof.TileWidth))
	if err != nil {
		return fmt.Errorf("%w: bundle %d: %v", ErrInconsistent, bundle, err)
	}
	var entries []record.Entry
	wanted := false
	for seq := from; seq < to; seq++ {
		leaf, err := record.ParseLeaf(leaves[seq-bundle*proof.TileWidth])
		if err != nil {
			return fmt.Errorf("%w: entry %d: %v", ErrInconsistent, seq, err)
		}
		entries = append(entries, record.Entry{Leaf: leaf})
		wanted = wanted || want(&leaf)
	}
	if wanted {
		err := l.openBundle(bundle, from, to, func(e record.Entry, _ []record.Hash) error {
			if want(&e.Leaf) {
				entries[e.Seq-from].Parts = e.Parts
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// openBundle opens the parts of published entries of one bundle, with the part
// hashes that stand beside them. Erased parts are left out.
func (l *Log) openBundle(bundle, from, to uint64, visit func(record.Entry, []record.Hash) error) error {
	return openBundle(l.opt.Dir, l.Source(), l.keys, bundle, from, to, l.published.Load(), visit)
}

func openBundle(dir string, src proof.Source, store *keyStore, bundle, from, to, size uint64, visit func(record.Entry, []record.Hash) error) error {
	data, err := os.ReadFile(evidencePath(dir, bundle))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("evidence of bundle %d is missing: %w", bundle, err)
	}
	if err != nil {
		return err
	}
	keys, err := store.bundle(bundle)
	if err != nil {
		return err
	}
	tile, err := proof.ReadTile(src, tlog.Tile{H: proof.TileHeight, L: -1, N: int64(bundle), W: proof.EntryTile(to-1, size).W})
	if err != nil {
		return err
	}
	leaves, err := proof.SplitBundle(tile, int(to-bundle*proof.TileWidth))
	if err != nil {
		return fmt.Errorf("%w: bundle %d: %v", ErrInconsistent, bundle, err)
	}
	at := 0
	for seq := bundle * proof.TileWidth; seq < to; seq++ {
		var parts []sealed
		var got uint64
		if got, parts, data, err = splitSealed(data); err != nil || got != seq {
			return &EntryError{Seq: seq, Err: fmt.Errorf("its evidence does not read: %v", err)}
		}
		if at+len(parts) > len(keys) {
			return &EntryError{Seq: seq, Err: errors.New("its keys are missing")}
		}
		if seq >= from {
			e, hashes, err := openEntry(seq, leaves[seq-bundle*proof.TileWidth], parts, keys[at:])
			if err != nil {
				return &EntryError{Seq: seq, Err: err}
			}
			if err := visit(e, hashes); err != nil {
				return err
			}
		}
		at += len(parts)
	}
	return nil
}

// EntryError names the first entry that is not as it should be.
type EntryError struct {
	Seq uint64
	Err error
}

func (e *EntryError) Error() string { return fmt.Sprintf("entry %d: %v", e.Seq, e.Err) }
func (e *EntryError) Unwrap() error { return e.Err }

func openEntry(seq uint64, leaf []byte, parts []sealed, keys []record.Key) (e record.Entry, hashes []record.Hash, err error) {
	if e.Leaf, err = record.ParseLeaf(leaf); err != nil {
		return e, nil, err
	}
	for i, s := range parts {
		hashes = append(hashes, s.hash)
		p, err := record.Open(seq, keys[i], s.data)
		if errors.Is(err, record.ErrErased) {
			continue
		}
		if err != nil {
			return e, nil, err
		}
		if p.Hash() != s.hash {
			return e, nil, fmt.Errorf("part %s does not have the hash beside it", p.Name)
		}
		e.Parts = append(e.Parts, p)
	}
	return e, hashes, nil
}
