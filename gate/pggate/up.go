package pggate

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// maxNameMessage bounds messages that hold only names and numbers.
const maxNameMessage = 8 << 10

// upState is what the client's direction keeps. Only runUp's goroutine uses it.
type upState struct {
	segment  uint64            // Syncs forwarded
	skipping bool              // the store skips to the next Sync, and so do we
	renamed  bool              // SQL may have given or taken names (verdict.renames)
	portals  map[string]portal // what Bind made of a name
	loose    *prepared         // a Parse in this flight that no record covers yet
	name     []byte            // its name

	// buf[from:at] has been taken but not been sent; the message at at is being taken.
	buf      []byte
	from, at int

	mem  []byte // what has been decrypted; have bytes of it are in use
	have int
	lent *[inBuffer]byte // what mem is, unless it had to grow; nil while there is nothing to hold
	left bool            // how it ended: the client said goodbye,
	why  *fault.Error    // or did something that ends the session

	verdict   verdict
	statement Statement
	params    []Param

	statements, refused int64
}

// runUp is the client's direction: read, judge, record, forward. left says that the
// client has said goodbye; why is nil when it just went away.
//
// Entries. What makes the store run something is recorded before it is forwarded:
//
//   - Query: one entry for its whole text.
//   - Bind: one entry with text and parameters. PostgreSQL plans at Bind, and
//     planning evaluates constant expressions; the Executes of that portal, one or
//     many, belong to it.
//   - Parse: analysis runs type input functions and names relations and columns in
//     its errors and descriptions, so it does not pass unrecorded either. But when
//     the Bind of the same definition follows directly in the same flight, as most
//     drivers send it, the Bind's entry is made before the Parse is forwarded and
//     covers both. Otherwise the Parse gets an entry of its own, without parameters.
//   - Execute of a portal that no Bind is known to have made (SQL cursors), Bind of
//     a name that no Parse made (SQL PREPARE): one entry by name.
//   - Describe, Close, Sync, Flush: none; they name what has its entry already.
func (r *relay) runUp() (left bool, why *fault.Error) {
	u := &r.up
	defer r.upDone()
	over := r.decrypted() // what came behind the handshake
	for !over {
		err := pump(r.wire.Conn, r.wire.room, func(n int) bool {
			if n > 0 {
				r.wire.fill(n)
				over = r.decrypted()
			}
			if u.have == 0 {
				r.upDone()
			}
			return !over
		})
		if !over && !r.nudged(r.wire.Conn, err) {
			return false, nil // the client is gone, and that is nobody's fault
		}
	}
	return u.left, u.why
}

// decrypted takes everything the client's TLS can give without reading the socket,
// and reports whether that was the end.
func (r *relay) decrypted() (over bool) {
	u := &r.up
	for {
		n, err := r.client.Read(r.upRoom())
		if n > 0 {
			u.have += n
			var used int
			if used, u.left, u.why = r.forward(u.mem[:u.have]); u.left || u.why != nil {
				return true
			}
			u.have = copy(u.mem, u.mem[used:u.have])
			if u.have == len(u.mem) {
				// Twice the buffer at a time, so that a claimed length alone costs nothing.
				u.mem = append(u.mem, make([]byte, len(u.mem))...)
			}
		}
		switch {
		case errors.Is(err, errDry):
			return false
		case err != nil:
			u.why = clientGone(err)
			return true
		}
	}
}

// upRoom is where the next decrypted bytes go. The buffer is the gate's, lent while
// there is something in it, and one that had to grow is dropped once it is empty.
func (r *relay) upRoom() []byte {
	u := &r.up
	if u.mem == nil {
		u.lent = r.gate.inbox.Get().(*[inBuffer]byte)
		u.mem = u.lent[:]
	}
	return u.mem[u.have:]
}

// upDone gives both buffers back: nothing is in them, or the session is over.
func (r *relay) upDone() {
	u := &r.up
	r.wire.lendBack()
	if u.lent != nil {
		r.gate.inbox.Put(u.lent)
	}
	u.mem, u.lent, u.buf, u.have = nil, nil, nil, 0
}

// clientGone maps the end of the client's stream: closing is nobody's fault.
func clientGone(err error) *fault.Error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return nil
	}
	return fault.New(fault.Protocol, "the client's TLS stream is broken")
}

// forward takes the whole messages in b and sends them on, in one write unless
// something is refused or has to be waited for. used is what it took; the rest is
// the start of a message.
func (r *relay) forward(b []byte) (used int, left bool, why *fault.Error) {
	u := &r.up
	u.buf, u.from, u.at = b, 0, 0
	for len(b)-u.at >= headerSize && !left {
		kind, size := header(b[u.at:])
		if why := r.sized(kind, size); why != nil {
			return u.at, false, why
		}
		if len(b)-u.at < size {
			break
		}
		drop, standIn, why := r.take(kind, b[u.at+headerSize:u.at+size])
		if why != nil {
			return u.at, false, why
		}
		if drop {
			if why := r.flush(); why != nil {
				return u.at, false, why
			}
			if why := r.send(standIn); why != nil {
				return u.at, false, why
			}
			u.from = u.at + size
		}
		u.at += size
		left = kind == msgTerminate
	}
	return u.at, left, r.flush()
}

// flush sends what has been taken so far, without the message being taken.
func (r *relay) flush() *fault.Error {
	if why := r.settle(); why != nil {
		return why
	}
	b := r.up.buf[r.up.from:r.up.at]
	r.up.from = r.up.at
	return r.send(b)
}

// sized refuses messages that are too long, or too short to be one.
func (r *relay) sized(kind byte, size int) *fault.Error {
	limit := r.gate.maxMessage
	switch kind {
	case msgSync, msgFlush, msgTerminate:
		limit = headerSize
	case msgDescribe, msgExecute, msgClose:
		limit = maxNameMessage
	case msgQuery, msgParse, msgBind, msgFunctionCall, msgCopyData, msgCopyDone, msgCopyFail:
	default:
		return fault.New(fault.Protocol, "message type %q is not served", kind)
	}
	if size < headerSize {
		return fault.New(fault.Protocol, "message %q has an impossible length", kind)
	}
	if size > limit {
		return fault.New(fault.TooLarge, "message %q has %d bytes, %d are allowed", kind, size, limit).
			WithHint("send large values in several statements")
	}
	return nil
}

// take judges and records one message. drop means that it is not forwarded, and
// standIn what is sent instead (may be nothing).
func (r *relay) take(kind byte, body []byte) (drop bool, standIn []byte, why *fault.Error) {
	u := &r.up
	if u.skipping && kind != msgSync && kind != msgTerminate {
		return true, nil, nil
	}
	var refuse *refusal
	switch kind {
	case msgQuery:
		refuse, why = r.query(body)
	case msgParse:
		refuse, why = r.parse(body)
	case msgBind:
		refuse, why = r.bind(body)
	case msgExecute:
		refuse, why = r.execute(body)
	case msgDescribe:
		why = r.named(body, stepDescribe)
	case msgClose:
		why = r.named(body, stepClose)
	case msgSync:
		if why = r.settle(); why == nil {
			why = r.expect(item{step: stepSync})
		}
		u.segment++
		u.skipping = false
	case msgTerminate:
		r.leaving.Store(true)
		why = r.settle()
	case msgFlush:
		why = r.settle()
	case msgFunctionCall:
		// It calls any function by number, without any SQL text to judge.
		u.statement = Statement{Protocol: Other, Kind: "function call"}
		refuse, why = r.refuse(stepQuery, fault.New(fault.Statement, "function call messages are not served").
			WithHint("call the function in a SELECT"))
	default: // copy messages outside of a copy: PostgreSQL ignores them as well
		return true, nil, nil
	}
	if why != nil || refuse == nil {
		return false, nil, why
	}
	s := stepParse
	if kind == msgQuery || kind == msgFunctionCall {
		s = stepQuery
	} else {
		u.skipping = true
	}
	return true, refuse.standIn(nil, s), nil
}

// send writes b to the store, once any cancel request of the client's has run its
// course: one that came late must not hit the next statement.
func (r *relay) send(b []byte) *fault.Error {
	if len(b) == 0 {
		return nil
	}
	r.cancelling.Lock()
	//lint:ignore SA2001 waiting is the point
	r.cancelling.Unlock()
	if _, err := r.store.Write(b); err != nil {
		return storeAway(err)
	}
	return nil
}

func storeAway(err error) *fault.Error {
	return &fault.Error{Kind: fault.StoreAway, Message: "the connection to the store is gone", Hint: "connect again", Cause: err}
}
