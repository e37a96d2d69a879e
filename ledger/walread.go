package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
)

// readAhead is what a walReader reads at a time, unless a frame is larger.
const readAhead = 128 << 10

// walReader walks frames in order across segments, from a sequence on.
type walReader struct {
	dir   string
	next  uint64
	file  *os.File
	first uint64 // sequence the open segment begins with
	off   int64  // where in it the next frame begins
	ahead []byte // bytes from off on; they may be older than the frames there now
	buf   []byte // what ahead lies in
}

// walPlace is where the frame of an entry begins.
type walPlace struct {
	next, first uint64
	off         int64
}

func (r *walReader) place() walPlace { return walPlace{r.next, r.first, r.off} }

// frame gives the next entry, which must be durable: the caller knows how far it
// may read. The bytes are good until the next call.
func (r *walReader) frame() (entry []byte, err error) {
	if r.file == nil {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	for {
		seq, body, err := r.read()
		if err == io.EOF { // the segment is used up: the next one begins with r.next
			was := r.first
			r.close()
			if err := r.open(); err != nil {
				return nil, err
			}
			if r.first == was {
				return nil, fmt.Errorf("%w: entry %d is missing from the write-ahead log, %s ends before it", ErrInconsistent, r.next, r.file.Name())
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if seq < r.next {
			continue // before where we were asked to begin
		}
		if seq > r.next {
			return nil, fmt.Errorf("%w: the write-ahead log goes from entry %d to %d", ErrInconsistent, r.next, seq)
		}
		r.next++
		return body, nil
	}
}

// read takes the frame at off. io.EOF means that none begins there.
func (r *walReader) read() (seq uint64, body []byte, err error) {
	seq, body, err = r.parse()
	if err != nil {
		r.ahead = nil // read ahead of the writer: look again
		seq, body, err = r.parse()
	}
	if err == nil {
		n := frameHeader + len(body)
		r.off += int64(n)
		r.ahead = r.ahead[n:]
	}
	return seq, body, err
}

func (r *walReader) parse() (seq uint64, body []byte, err error) {
	h, err := r.peek(frameHeader)
	if err != nil || binary.BigEndian.Uint32(h) != frameMagic {
		if err == nil {
			err = io.EOF
		}
		return 0, nil, err
	}
	size := int(binary.BigEndian.Uint32(h[4:]))
	if size > maxFrame {
		return 0, nil, fmt.Errorf("%w: %s: the frame at byte %d claims %d bytes", ErrInconsistent, r.file.Name(), r.off, size)
	}
	frame, err := r.peek(frameHeader + size)
	if err != nil && err != io.EOF {
		return 0, nil, err
	}
	seq, _, body, ok := parseFrame(frame)
	if !ok {
		return 0, nil, fmt.Errorf("%w: %s: the frame at byte %d is damaged", ErrInconsistent, r.file.Name(), r.off)
	}
	return seq, body, nil
}

// peek gives n bytes at off, io.EOF if the segment ends before.
func (r *walReader) peek(n int) ([]byte, error) {
	if len(r.ahead) >= n {
		return r.ahead[:n], nil
	}
	want := max(n, readAhead)
	if len(r.buf) < want {
		r.buf = make([]byte, want)
	}
	got, err := r.file.ReadAt(r.buf[:want], r.off)
	if r.ahead = r.buf[:got]; got >= n {
		return r.ahead[:n], nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return nil, err
}

func (r *walReader) open() error {
	firsts, err := segments(r.dir)
	if err != nil {
		return err
	}
	i := sort.Search(len(firsts), func(i int) bool { return firsts[i] > r.next }) - 1
	if i < 0 {
		return fmt.Errorf("%w: entry %d is not in the write-ahead log", ErrInconsistent, r.next)
	}
	return r.openAt(walPlace{first: firsts[i]})
}

// openAt begins with the frame at p, which is of an entry not after next.
func (r *walReader) openAt(p walPlace) (err error) {
	r.file, err = os.Open(segmentPath(r.dir, p.first))
	r.first, r.off, r.ahead = p.first, p.off, nil
	return err
}

func (r *walReader) close() {
	if r.file != nil {
		r.file.Close()
		r.file, r.ahead = nil, nil
	}
}
