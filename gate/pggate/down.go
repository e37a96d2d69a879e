package pggate

import (
	"errors"
	"io"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

const downBuffer = 32 << 10 // PostgreSQL sends chunks of 8 KiB

// maxLook bounds messages of the store that are looked into as a whole. An error
// may quote the statement, and a value out of it.
func (g *Gate) maxLook() int { return 2*g.maxMessage + 1<<20 }

// downState is what the store's direction keeps. Only runDown's goroutine uses it,
// and run after that is over.
type downState struct {
	buf  []byte
	have int               // bytes of it in use
	lent *[downBuffer]byte // what buf is, unless it had to grow; nil while there is nothing to hold

	rest   int  // bytes of the current message still to be passed through
	broken bool // the client holds part of a message or of a TLS record

	rows, bytes int64   // since the last result
	fatal       bool    // a FATAL error has been passed on
	failure     [5]byte // SQLSTATE of the Query being answered
	skipped     [5]byte // SQLSTATE that made the store skip
	skippedPos  uint64  // 1 + position of the last entry whose failure was recorded

	look    []byte // a rewritten message
	res     Result
	summary Summary
}

// runDown is the store's direction: read a chunk, wait until every record made so
// far is durable, walk the headers, pass it on. A nil fault means that the store
// closed after a FATAL error that was passed on, or that the session ended.
//
// Records made so far include those of statements whose answer is not in this
// chunk: that is more than needed and the only thing that is safe under pipelining,
// since bytes alone do not tell which statement made the store send them.
func (r *relay) runDown() *fault.Error {
	d := &r.down
	defer r.lendBack()
	for {
		var why *fault.Error
		stopped := false
		err := pump(r.store, r.downRoom, func(n int) bool {
			if n == 0 {
				if d.have == 0 {
					r.lendBack()
				}
				return true
			}
			d.have += n
			why = r.chunk()
			stopped = why != nil
			return !stopped
		})
		switch {
		case stopped && why == errClientLost:
			d.broken = true
			return nil // nobody is left to be told
		case stopped:
			return why
		case !r.nudged(r.store, err):
			return r.storeClosed(err)
		}
	}
}

// chunk passes on what has been read.
func (r *relay) chunk() *fault.Error {
	d := &r.down
	if why := r.held(); why != nil {
		return why
	}
	r.wire.hold()
	used, why := r.pass(d.buf[:d.have])
	if err := r.wire.release(); err != nil {
		return errClientLost
	}
	if why != nil {
		return why
	}
	d.have = copy(d.buf, d.buf[used:d.have])
	switch {
	case d.have == len(d.buf): // a message to be looked into; pass bounds it
		d.buf = append(d.buf, make([]byte, len(d.buf))...)
	case d.have == 0:
		r.lendBack()
	}
	return nil
}

// downRoom is where the next bytes of the store go. The buffer is the gate's, lent
// while there is something in it: a session that waits holds none.
func (r *relay) downRoom() []byte {
	d := &r.down
	if d.buf == nil {
		d.lent = r.gate.chunks.Get().(*[downBuffer]byte)
		d.buf = d.lent[:]
	}
	return d.buf[d.have:]
}

func (r *relay) lendBack() {
	d := &r.down
	if d.lent != nil {
		r.gate.chunks.Put(d.lent)
	}
	d.buf, d.lent, d.have = nil, nil, 0
}

// storeClosed maps the end of the store's stream. After a FATAL error the client
// knows enough.
func (r *relay) storeClosed(err error) *fault.Error {
	r.down.broken = r.down.broken || r.down.rest > 0
	if r.leaving.Load() || errors.Is(err, io.EOF) && r.down.fatal {
		return nil
	}
	return storeAway(err)
}

// errClientLost stops runDown after a failed write; it never reaches anybody.
var errClientLost = fault.New(fault.Internal, "the client is gone")

// pass walks the messages in b and writes them to the client: those that carry data
// as they come, those it looks into as a whole. used is what was dealt with; the
// rest is a split header or the start of a message to be looked into.
func (r *relay) pass(b []byte) (used int, why *fault.Error) {
	d := &r.down
	from := 0 // b[from:used] is to be written as it is
	for used < len(b) {
		if d.rest > 0 {
			n := min(d.rest, len(b)-used)
			d.rest -= n
			used += n
			continue
		}
		if len(b)-used < headerSize {
			break
		}
		kind, size := header(b[used:])
		if size < headerSize {
			return used, badStore("a message of impossible length")
		}
		switch kind {
		case msgDataRow, msgCopyData:
			d.rows++
			fallthrough
		case msgRowDescription, msgParamDescription, msgCopyOut:
			if kind == msgRowDescription {
				r.described()
			}
			d.bytes += int64(size)
			d.rest = size
			continue
		}
		if size > r.gate.maxLook() {
			return used, badStore("a control message that is too long")
		}
		if len(b)-used < size {
			break
		}
		d.bytes += int64(size)
		verdict, why := r.heed(kind, b[used+headerSize:used+size])
		if why != nil {
			// What came before is whole and has its record.
			if werr := r.write(b[from:used]); werr != nil {
				return used, werr
			}
			return used, why
		}
		if verdict != passOn {
			if why := r.write(b[from:used]); why != nil {
				return used, why
			}
			if verdict == replace {
				if why := r.write(d.look); why != nil {
					return used, why
				}
			}
			from = used + size
		}
		used += size
	}
	return used, r.write(b[from:used])
}

// write hands b to the client's TLS.
func (r *relay) write(b []byte) *fault.Error {
	if len(b) == 0 {
		return nil
	}
	if _, err := r.client.Write(b); err != nil {
		return errClientLost
	}
	return nil
}

func badStore(what string) *fault.Error {
	return &fault.Error{Kind: fault.StoreAway, Message: "the store broke the protocol", Cause: errors.New(what)}
}
