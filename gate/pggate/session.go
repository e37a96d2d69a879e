package pggate

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// relay is one session between a client and the store.
type relay struct {
	gate   *Gate
	sess   Session
	store  net.Conn
	cancel func(context.Context) error
	client tlsConn
	wire   *wireConn
	pinned map[string]string // ParameterStatus values that must not change
	pid    uint32
	key    []byte // shortKey or longKey bytes, by the protocol agreed on

	due   *due
	names *names // of up alone
	epoch time.Time

	// last is 1 + the position of the newest record of this session: nothing is
	// released before the session's Durable() has reached it. up stores it before it
	// forwards; down loads it after it has read.
	last atomic.Uint64
	// voided is the newest segment after whose end no portal of it or of an
	// earlier one can be taken for granted. Set by down, read by up; portals.go.
	voided atomic.Uint64

	leaving    atomic.Bool // the client has said goodbye
	cancelling sync.Mutex  // held while a CancelRequest is under way

	once sync.Once
	why  *fault.Error    // why the session ended; nil: the client left
	ctx  context.Context // ends with the session
	stop context.CancelFunc

	up   upState
	down downState
}

// tlsConn is what of the client's *tls.Conn is used.
type tlsConn interface {
	net.Conn
	CloseWrite() error
}

// grace is how long a store may take to close after Terminate.
const grace = 2 * time.Second

func newRelay(g *Gate, sess Session, u Upstream, h *hello) *relay {
	r := &relay{
		gate: g, sess: sess, store: u.Conn, cancel: u.Cancel, client: h.client, wire: h.wire,
		pinned: pins(u.Parameters), due: newDue(), epoch: time.Now(),
	}
	r.names = newNames(r.due)
	r.key = make([]byte, shortKey)
	if h.version >= protocol32 {
		r.key = make([]byte, longKey)
	}
	r.up.portals = map[string]portal{}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// run relays until one side or the grant ends, and closes everything.
func (r *relay) run() {
	r.wire.feed()
	var done sync.WaitGroup
	done.Go(func() { r.end(r.runDown()) })
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-r.sess.Ended():
			r.end(r.sess.Cause())
		case <-over:
		}
	})
	defer r.nudging()()
	defer r.limiting()()
	left, why := r.runUp()
	if left {
		r.allow(r.store.SetReadDeadline, time.Now().Add(grace)) // then down ends the session
	} else {
		r.end(why)
	}
	done.Wait()
	close(over)
	watch.Wait()
	r.goodbye()
	r.unfinished()
	s := r.down.summary
	s.Statements, s.Refused, s.Why = r.up.statements, r.up.refused, r.why
	r.sess.Close(s)
}

// end stops the session at once; only the first call counts. Whatever has not
// reached the client's socket by now never will: the flag is looked at before each
// write, and deadlines in the past wake both loops, also from a write to a client
// that has stopped reading.
func (r *relay) end(why *fault.Error) {
	r.once.Do(func() {
		r.why = why
		r.wire.stop()
		r.stop() // before the deadlines: allow looks at it after it has set its own
		_ = r.wire.Conn.SetDeadline(past)
		_ = r.store.SetDeadline(past)
		r.due.end()
	})
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// allow sets a deadline without undoing end's.
func (r *relay) allow(set func(time.Time) error, t time.Time) {
	_ = set(t)
	if r.ctx.Err() != nil {
		_ = set(past)
	}
}

// goodbye closes both sockets, after both loops are done. The client is told why
// only when that cannot follow a half-sent message and cannot wait behind bytes it
// has not taken; those are discarded by resetting the connection.
func (r *relay) goodbye() {
	_ = r.store.Close()
	raw := r.wire.Conn
	if r.why == nil || r.down.broken || r.down.rest > 0 || unsent(raw) != 0 {
		abort(raw, r.why != nil)
		return
	}
	_ = raw.SetDeadline(time.Now().Add(time.Second))
	r.wire.stopped.Store(false)
	_, _ = r.client.Write(appendFault(nil, severityFatal, r.why))
	if t, ok := raw.(*net.TCPConn); ok && r.up.why != nil {
		// The client is still sending what was too much: closing now would reset the
		// connection under our answer.
		_ = r.client.CloseWrite()
		_ = t.CloseWrite()
		_, _ = io.CopyN(io.Discard, raw, maxDrain)
	}
	_ = r.client.Close()
}

// maxDrain bounds what is read, within a second, from a client that goes on sending.
const maxDrain = 64 << 20

// abort closes a connection; with discard, bytes still in the kernel are dropped
// and the peer sees a reset.
func abort(c net.Conn, discard bool) {
	if t, ok := c.(*net.TCPConn); ok && discard {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// unfinished records what the session's end cut short.
func (r *relay) unfinished() {
	var done uint64 // 1 + the position recorded last: a Bind and its Executes share one
	for {
		it, ok := r.due.pop(undecided)
		if !ok {
			return
		}
		if it.entry && it.pos+1 != done {
			done = it.pos + 1
			_ = r.result(it, Interrupted, nil) // the session is over: its start entry closes what cannot be recorded
		}
	}
}

// now is the time on the relay's clock, in nanoseconds.
func (r *relay) now() int64 { return int64(time.Since(r.epoch)) }

// held reports, without waiting for longer than the session lives, that everything
// recorded so far is durable.
func (r *relay) held() *fault.Error {
	last := r.last.Load()
	if r.sess.Durable() >= last {
		return nil
	}
	if err := r.sess.Wait(r.ctx, last-1); err != nil {
		return notRecorded(err)
	}
	return nil
}

func notRecorded(err error) *fault.Error {
	return &fault.Error{Kind: fault.NotRecorded, Message: "the record could not be made, so nothing is released", Cause: err}
}
