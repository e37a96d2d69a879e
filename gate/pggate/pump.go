package pggate

import (
	"errors"
	"net"
	"os"
	"time"
)

// pump reads c until taken says stop or the connection fails: each time into what
// room gives, then taken gets the number of bytes. On sockets it saves the read
// that only tells there is nothing more (pump_unix.go); anything else, such as TLS
// to the store, is read plainly.
func pump(c net.Conn, room func() []byte, taken func(n int) bool) error {
	if sock, ok := socket(c); ok {
		return pumpSocket(sock, room, taken)
	}
	for {
		n, err := c.Read(room())
		if n > 0 && !taken(n) {
			return nil
		}
		if err != nil {
			return err
		}
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

// nudged reports whether a read ended because of a nudge, and undoes it.
func (r *relay) nudged(c net.Conn, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || r.leaving.Load() || r.ctx.Err() != nil {
		return false
	}
	r.allow(c.SetReadDeadline, time.Time{})
	return true
}
