package pggate

import (
	"errors"
	"net"
	"os"
	"time"
)

// pump reads c until taken says stop or the connection fails: each time into what
// room gives, then taken gets the number of bytes. When there is nothing to be had
// taken gets 0, so that an idle session can give its buffers back. On sockets it
// saves the read that only tells there is nothing more (pump_unix.go); anything
// else, such as TLS to the store, is read plainly.
func pump(c net.Conn, room func() []byte, taken func(n int) bool) error {
	if sock, ok := socket(c); ok {
		return pumpSocket(sock, room, taken)
	}
	// It waits with a small buffer; what fills that may have more behind it.
	var small [512]byte
	for {
		n, err := c.Read(small[:])
		for rest := small[:n]; len(rest) > 0; {
			m := copy(room(), rest)
			if !taken(m) {
				return nil
			}
			rest = rest[m:]
		}
		for more := n == len(small); more && err == nil; {
			b := room()
			n, err = c.Read(b)
			if n > 0 && !taken(n) {
				return nil
			}
			more = n == len(b)
		}
		if err != nil {
			return err
		}
		taken(0)
	}
}

// nudgeEvery is how long a half-closed connection can go unnoticed in the worst
// case; see pumpSocket.
const nudgeEvery = 15 * time.Second

// nudge makes both directions look at their sockets once.
func (r *relay) nudge() {
	if r.leaving.Load() {
		return // the store's deadline is in use
	}
	_ = r.store.SetReadDeadline(past)
	_ = r.wire.Conn.SetReadDeadline(past)
}

// nudging nudges now and then, until stop is called.
func (r *relay) nudging() (stop func() bool) {
	var t *time.Timer
	t = time.AfterFunc(time.Hour, func() {
		r.nudge()
		if r.ctx.Err() == nil {
			t.Reset(nudgeEvery)
		}
	})
	t.Reset(nudgeEvery)
	return t.Stop
}

// nudged reports whether a read ended because of a nudge, and undoes it.
func (r *relay) nudged(c net.Conn, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || r.leaving.Load() || r.ctx.Err() != nil {
		return false
	}
	r.allow(c.SetReadDeadline, time.Time{})
	return true
}
