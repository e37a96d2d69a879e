package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// Evidence is the sealed payloads: one file for each bundle of 256 entries,
// named as C2SP names bundles. In it, entry after entry:
//
//	len32 ‖ seq64 ‖ parts16 ‖ (hash32 ‖ len32 ‖ sealed)…
//
// The part's hash stands outside the seal, so that the commitment can still be
// recomputed when its key has been destroyed.

func evidencePath(dir string, bundle uint64) string {
	t := tlog.Tile{H: proof.TileHeight, L: -1, N: int64(bundle), W: proof.TileWidth}
	return filepath.Join(dir, "evidence", filepath.FromSlash(proof.TilePath(t)[len("tile/entries/"):]))
}

// sealed is one part as it lies in evidence.
type sealed struct {
	hash record.Hash
	data []byte
}

// appendSealed seals an entry's parts onto b and their keys onto keys.
func appendSealed(b []byte, keys []record.Key, seq uint64, parts []record.Part) ([]byte, []record.Key) {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint16(b, uint16(len(parts)))
	for i := range parts {
		hash := parts[i].Hash()
		b = append(b, hash[:]...)
		at := len(b)
		b = append(b, 0, 0, 0, 0)
		var key record.Key
		b, key = record.Seal(b, seq, &parts[i])
		binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
		keys = append(keys, key)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, keys
}

// splitSealed takes the first entry off b.
func splitSealed(b []byte) (seq uint64, parts []sealed, rest []byte, err error) {
	bad := fmt.Errorf("evidence ends early or is damaged")
	if len(b) < 14 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) || binary.BigEndian.Uint32(b) < 10 {
		return 0, nil, nil, bad
	}
	end := 4 + int(binary.BigEndian.Uint32(b))
	rest, b = b[end:], b[4:end]
	seq = binary.BigEndian.Uint64(b)
	n := int(binary.BigEndian.Uint16(b[8:]))
	b = b[10:]
	for range n {
		if len(b) < 36 || uint64(len(b)-36) < uint64(binary.BigEndian.Uint32(b[32:])) {
			return seq, nil, rest, bad
		}
		var s sealed
		copy(s.hash[:], b)
		size := int(binary.BigEndian.Uint32(b[32:]))
		s.data, b = b[36:36+size:36+size], b[36+size:]
		parts = append(parts, s)
	}
	if len(b) != 0 {
		return seq, nil, rest, bad
	}
	return seq, parts, rest, nil
}

// evidence is the write side.
type evidence struct {
	dir    string
	bundle uint64
	data   []byte       // sealed entries of the bundle that are not on disk yet
	size   int64        // bytes of the bundle's file that are
	keys   []record.Key // all keys of the bundle so far
	done   map[uint64][]record.Key
	full   []sealedPiece // of bundles before it that are not on disk yet
	held   int           // bytes of full
}

// sealedPiece is what is to be written to a bundle's file.
type sealedPiece struct {
	bundle uint64
	at     int64
	data   []byte
}

// openEvidence continues behind the entry next-1: what a crash left beyond it
// has keys nobody stored, and is cut off.
func openEvidence(dir string, next uint64, keys *keyStore) (*evidence, error) {
	e := &evidence{dir: dir, bundle: next / proof.TileWidth, done: make(map[uint64][]record.Key)}
	if next%proof.TileWidth == 0 {
		if next == 0 {
			return e, nil
		}
		last, err := keys.bundle(e.bundle - 1)
		if err == nil && len(last) < proof.TileWidth {
			err = fmt.Errorf("%w: keys.db does not hold the keys of bundle %d; restore it from a copy", ErrInconsistent, e.bundle-1)
		}
		return e, err
	}
	path := evidencePath(dir, e.bundle)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: evidence of entries before %d is missing: %v", ErrInconsistent, next, err)
	}
	rest, count := data, 0
	for seq := e.bundle * proof.TileWidth; seq < next; seq++ {
		var parts []sealed
		var got uint64
		if got, parts, rest, err = splitSealed(rest); err != nil || got != seq {
			return nil, fmt.Errorf("%w: %s: entry %d: %v", ErrInconsistent, path, seq, err)
		}
		count += len(parts)
	}
	e.size = int64(len(data) - len(rest))
	if e.keys, err = keys.bundle(e.bundle); err != nil {
		return nil, err
	}
	if len(e.keys) < count {
		return nil, fmt.Errorf("%w: keys.db holds %d of the %d keys of bundle %d; restore it from a copy", ErrInconsistent, len(e.keys), count, e.bundle)
	}
	e.keys = e.keys[:count]
	return e, nil
}

// maxSealed bounds what is held before it is written.
const maxSealed = 8 << 20

// add seals the parts of the next entry.
func (e *evidence) add(seq uint64, parts []record.Part) error {
	e.data, e.keys = appendSealed(e.data, e.keys, seq, parts)
	if seq%proof.TileWidth == proof.TileWidth-1 {
		e.full = append(e.full, sealedPiece{e.bundle, e.size, e.data})
		e.held += len(e.data)
		e.done[e.bundle] = e.keys
		e.bundle, e.size, e.data, e.keys = e.bundle+1, 0, make([]byte, 0, len(e.data)), make([]record.Key, 0, len(e.keys))
	}
	if e.held+len(e.data) < maxSealed {
		return nil
	}
	return e.flush()
}

// flush makes what was added durable, up to the keys, which commit takes.
func (e *evidence) flush() error {
	pieces := e.full
	if len(e.data) > 0 {
		pieces = append(pieces, sealedPiece{e.bundle, e.size, e.data})
	}
	var dirs []string
	for _, p := range pieces {
		if dir := filepath.Dir(evidencePath(e.dir, p.bundle)); p.at == 0 && !slices.Contains(dirs, dir) {
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				if err := mkdirDurable(dir); err != nil {
					return err
				}
			}
			dirs = append(dirs, dir)
		}
	}
	if err := durable.Together(len(pieces), func(i int) error { return e.write(pieces[i]) }); err != nil {
		return err
	}
	if err := durable.Together(len(dirs), func(i int) error { return durable.SyncDir(dirs[i]) }); err != nil {
		return err
	}
	if len(e.data) > 0 {
		e.size += int64(len(e.data))
		e.data = e.data[:0]
		e.done[e.bundle] = e.keys
	}
	e.full, e.held = nil, 0
	return nil
}

func (e *evidence) write(p sealedPiece) error {
	f, err := os.OpenFile(evidencePath(e.dir, p.bundle), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err = f.Truncate(p.at); err == nil {
		if _, err = f.WriteAt(p.data, p.at); err == nil {
			err = f.Sync()
		}
	}
	if ce := f.Close(); err == nil {
		err = ce
	}
	return err
}

// commit flushes and stores the keys.
func (e *evidence) commit(keys *keyStore) error {
	if err := e.flush(); err != nil {
		return err
	}
	if len(e.done) == 0 {
		return nil
	}
	if err := keys.put(e.done); err != nil {
		return err
	}
	clear(e.done)
	return nil
}
