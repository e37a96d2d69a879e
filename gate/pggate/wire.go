package pggate

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// wireBuffer is how much TLS output is gathered for one system call: two full
// records and some of their overhead.
const wireBuffer = 36 << 10

var errStopped = errors.New("pggate: connection stopped")

// wireConn is the socket under the client's TLS. crypto/tls reads as little as it
// can and writes one record at a time. Here reading is done for it, in large pieces;
// and between hold and release its records are gathered and leave in one write.
// stop lets nothing out that had not left before.
type wireConn struct {
	net.Conn
	stopped atomic.Bool

	shown *tls.Certificate // in this connection's handshake

	// Once the session runs, TLS is fed with what up has read.
	fed   bool
	inbox *sync.Pool      // of *[inBuffer]byte
	mem   *[inBuffer]byte // lent while there is something in it
	in    []byte          // what has been read and not been taken: of mem, or before TLS was recognised

	mu      sync.Mutex
	holding bool
	pool    *sync.Pool // of *[wireBuffer]byte
	lent    *[wireBuffer]byte
	out     []byte // what is gathered, in lent
}

func (w *wireConn) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.holding {
		if len(w.out)+len(p) > wireBuffer {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
		if len(p) > wireBuffer {
			return 0, errStopped // no TLS record is that long
		}
		w.out = append(w.out, p...)
		return len(p), nil
	}
	if w.stopped.Load() {
		return 0, errStopped
	}
	return w.Conn.Write(p)
}

// inBuffer is how much of the client's TLS stream is read at once, and decrypted;
// the latter grows for larger messages.
const inBuffer = 8 << 10

// room is where the next bytes of the client's go, fill takes n of them.
func (w *wireConn) room() []byte {
	if w.mem == nil {
		w.mem = w.inbox.Get().(*[inBuffer]byte)
	}
	return w.mem[:]
}
func (w *wireConn) fill(n int) { w.in = w.mem[:n] }

// lendBack gives the buffer back once all of it has been taken.
func (w *wireConn) lendBack() {
	if w.mem != nil && len(w.in) == 0 {
		w.inbox.Put(w.mem)
		w.mem, w.in = nil, nil
	}
}

// feed turns Read from the socket's into one of what fill was given.
func (w *wireConn) feed() { w.fed = true }

func (w *wireConn) Read(p []byte) (int, error) {
	switch {
	case len(w.in) > 0:
		n := copy(p, w.in)
		w.in = w.in[n:]
		return n, nil
	case w.fed:
		return 0, errDry
	}
	return w.Conn.Read(p)
}

// errDry says that TLS needs more bytes than have been read. It is a temporary
// net.Error, after which crypto/tls keeps what it has and can go on.
var errDry = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "pggate: nothing more has been read" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

// hold starts gathering.
func (w *wireConn) hold() {
	w.mu.Lock()
	w.holding = true
	w.lent = w.pool.Get().(*[wireBuffer]byte)
	w.out = w.lent[:0]
	w.mu.Unlock()
}

// release sends what was gathered since hold.
func (w *wireConn) release() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holding = false
	err := w.flush()
	w.pool.Put(w.lent)
	w.lent, w.out = nil, nil
	return err
}

func (w *wireConn) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	b := w.out
	w.out = w.out[:0]
	if w.stopped.Load() {
		return errStopped
	}
	_, err := w.Conn.Write(b)
	return err
}

// stop lets no further byte reach the socket. A write that is blocked in the
// kernel ends with the deadline its caller sets next.
func (w *wireConn) stop() { w.stopped.Store(true) }
