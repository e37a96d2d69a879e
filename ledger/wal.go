package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/trefoil-dev/trefoil/internal/durable"
)

// A frame is magic32 ‖ len32 ‖ crc32c ‖ seq64 ‖ base64 ‖ entry. The checksum
// covers all behind it. base is the first sequence of the group the frame was
// written with: everything below it was durable by then. That tells a torn
// write, which is dropped, from damage to what was acknowledged, which halts.
const (
	frameMagic  = 0x54524631 // "TRF1"
	frameHeader = 28
	maxFrame    = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// beginFrame reserves a header; endFrame fills it once the entry stands behind it.
func beginFrame(b []byte) []byte { return append(b, make([]byte, frameHeader)...) }

func endFrame(b []byte, start int, seq, base uint64) {
	h := b[start:]
	binary.BigEndian.PutUint32(h, frameMagic)
	binary.BigEndian.PutUint32(h[4:], uint32(len(h)-frameHeader))
	binary.BigEndian.PutUint64(h[12:], seq)
	binary.BigEndian.PutUint64(h[20:], base)
	binary.BigEndian.PutUint32(h[8:], crc32.Checksum(h[12:], castagnoli))
}

// parseFrame reads the frame at the head of b. ok is false where none begins.
func parseFrame(b []byte) (seq, base uint64, entry []byte, ok bool) {
	if len(b) < frameHeader || binary.BigEndian.Uint32(b) != frameMagic {
		return 0, 0, nil, false
	}
	size := int(binary.BigEndian.Uint32(b[4:]))
	if size > maxFrame || len(b)-frameHeader < size {
		return 0, 0, nil, false
	}
	end := frameHeader + size
	if crc32.Checksum(b[12:end], castagnoli) != binary.BigEndian.Uint32(b[8:]) {
		return 0, 0, nil, false
	}
	return binary.BigEndian.Uint64(b[12:]), binary.BigEndian.Uint64(b[20:]), b[frameHeader:end:end], true
}

// zeroAhead is how far beyond the last frame a segment is zeroed. An append into
// blocks written before changes no metadata, and its sync waits for no journal;
// space that is only allocated would not do.
const zeroAhead = 1 << 20

// wal is the write side: one active segment, allocated in full so that it can't
// run out of space in its middle.
type wal struct {
	dir     string
	segment int64 // bytes a new segment is given
	fsync   bool
	file    *os.File
	off     int64
	zeroed  int64 // written up to here, with frames or zeros
	size    int64
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d.wal", first))
}

// segments lists first sequences of the segments in dir, ascending.
func segments(dir string) ([]uint64, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var firsts []uint64
	for _, e := range names {
		if base, ok := strings.CutSuffix(e.Name(), ".wal"); ok {
			first, err := strconv.ParseUint(base, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s is not a segment's name", filepath.Join(dir, e.Name()))
			}
			firsts = append(firsts, first)
		}
	}
	sort.Slice(firsts, func(i, j int) bool { return firsts[i] < firsts[j] })
	return firsts, nil
}

// write appends the frames of one group, whose first sequence is first, and
// makes them durable. ErrNoSpace leaves the segment as it was.
func (w *wal) write(group []byte, first uint64) error {
	if w.file == nil || w.off+int64(len(group)) > w.size {
		if err := w.rotate(first, int64(len(group))); err != nil {
			return err
		}
	}
	_, err := w.file.WriteAt(group, w.off)
	if end := w.off + int64(len(group)); err == nil && end > w.zeroed {
		ahead := min(w.size, end+zeroAhead)
		if _, err = w.file.WriteAt(make([]byte, ahead-end), end); err == nil {
			w.zeroed = ahead
		}
	}
	if err != nil {
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return fmt.Errorf("%w: %v", ErrNoSpace, err)
		}
		return err
	}
	if w.fsync {
		if err := again(func() error { return unix.Fdatasync(int(w.file.Fd())) }); err != nil {
			return fmt.Errorf("fdatasync of the write-ahead log: %w", err)
		}
	}
	w.off += int64(len(group))
	return nil
}

// again repeats a call that a signal to this process cut short, as os does.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// rotate opens a new segment with room for at least need bytes.
func (w *wal) rotate(first uint64, need int64) error {
	size := max(w.segment, need)
	path := segmentPath(w.dir, first)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = again(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = f.Truncate(size)
		}
		if err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = durable.SyncDir(w.dir)
		}
		if err != nil {
			f.Close()
			os.Remove(path)
		}
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %v", ErrNoSpace, err)
	}
	if err != nil {
		return fmt.Errorf("new segment of the write-ahead log: %w", err)
	}
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.off, w.zeroed, w.size = f, 0, 0, size
	return nil
}

// recover reads the segments from published on, cuts a torn tail off the last
// one and leaves the writer behind the last good frame. It calls visit for each
// entry at or after published, in order, and gives the next sequence.
func (w *wal) recover(published uint64, visit func(seq uint64, entry []byte) error) (next uint64, err error) {
	end, err := w.walk(published, visit)
	if err != nil {
		return 0, err
	}
	switch {
	case end.path == "" || end.seq != end.next: // a tail that is in the tree already was lost: a new segment follows
	case end.off == 0: // made, and perhaps not in full, and nothing written: the next write makes it anew
		err = w.remove(end.path)
	default:
		err = w.resume(end.path, end.off, end.size)
	}
	return end.next, err
}

// scan is recover without changing anything.
func (w *wal) scan(published uint64, visit func(seq uint64, entry []byte) error) error {
	_, err := w.walk(published, visit)
	return err
}

// walEnd is where the last good frame of the last segment ends.
type walEnd struct {
	next      uint64 // sequence of the log's next entry
	seq       uint64 // sequence that would come next in the segment
	path      string
	off, size int64
}

func (w *wal) walk(published uint64, visit func(seq uint64, entry []byte) error) (walEnd, error) {
	end := walEnd{next: published}
	firsts, err := segments(w.dir)
	if err != nil {
		return end, err
	}
	for i, first := range firsts {
		if i+1 < len(firsts) && firsts[i+1] <= published {
			continue // all of it is in the tree
		}
		if first > end.next {
			return end, fmt.Errorf("%w: the write-ahead log begins with entry %d, but the tree ends before %d", ErrInconsistent, first, end.next)
		}
		path := segmentPath(w.dir, first)
		data, err := os.ReadFile(path)
		if err != nil {
			return end, err
		}
		off, seq := 0, first
		for {
			s, _, entry, ok := parseFrame(data[off:])
			if !ok || s != seq {
				break
			}
			if s >= published {
				if err := visit(s, entry); err != nil {
					return end, err
				}
			}
			off += frameHeader + len(entry)
			seq++
		}
		if err := acknowledgedBehind(data[off:], seq); err != nil {
			return end, fmt.Errorf("%s, byte %d: %w", path, off, err)
		}
		if i+1 < len(firsts) && firsts[i+1] != seq {
			return end, fmt.Errorf("%w: %s ends before entry %d, the next segment begins with %d", ErrInconsistent, path, seq, firsts[i+1])
		}
		end = walEnd{next: max(end.next, seq), seq: seq, path: path, off: int64(off), size: int64(len(data))}
	}
	return end, nil
}

// acknowledgedBehind looks past a place where no frame begins: one further on
// whose group came after want proves that entry want had been durable.
func acknowledgedBehind(rest []byte, want uint64) error {
	magic := binary.BigEndian.AppendUint32(nil, frameMagic)
	for {
		i := bytes.Index(rest, magic)
		if i < 0 {
			return nil
		}
		if seq, base, _, ok := parseFrame(rest[i:]); ok && base > want {
			return fmt.Errorf("%w: entry %d is damaged, and entry %d behind it shows that it had been acknowledged; restore the file from a copy, do not delete it", ErrInconsistent, want, seq)
		}
		rest = rest[i+1:]
	}
}

// resume continues in an existing segment, zeroing what was torn.
func (w *wal) resume(path string, off, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err = f.Truncate(off); err == nil {
		if size > 0 {
			err = unix.Fallocate(int(f.Fd()), 0, 0, size)
		}
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSPC) {
			err = f.Truncate(size) // then an append may find the disk full, which it can bear
		}
		if err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	w.file, w.off, w.zeroed, w.size = f, off, off, size
	return nil
}

// drop deletes the segments whose every entry lies below published.
func (w *wal) drop(published uint64) error {
	firsts, err := segments(w.dir)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(firsts); i++ { // never the active one
		if firsts[i+1] > published {
			break
		}
		if err := os.Remove(segmentPath(w.dir, firsts[i])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// retire deletes the active segment as well, when everything in it is published:
// what was said in clear does not lie about because nobody says more.
func (w *wal) retire() error {
	if w.file == nil {
		return nil
	}
	path := w.file.Name()
	_ = w.file.Close() // every write to it was synced
	w.file, w.off, w.zeroed, w.size = nil, 0, 0, 0
	return w.remove(path)
}

func (w *wal) remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return durable.SyncDir(w.dir)
}
