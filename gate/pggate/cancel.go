package pggate

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"time"
)

// cancelTimeout bounds one CancelRequest to the store; the session's next statement
// waits for it.
const cancelTimeout = 5 * time.Second

// Bytes of a cancel key: 4 are all that protocol 3.0 has room for.
const (
	shortKey = 4
	longKey  = 32
)

// enter gives a session its process id and cancel key, random and the gate's own:
// the store's never leave the gate. false when the gate is stopping.
func (g *Gate) enter(r *relay) bool {
	_, _ = rand.Read(r.key)
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		r.pid = binary.BigEndian.Uint32(b[:]) >> 1 // clients keep it in a signed int
		if r.pid != 0 && g.sessions[r.pid] == nil {
			break
		}
	}
	g.sessions[r.pid] = r
	return !g.stopping
}

func (g *Gate) leave(r *relay) {
	g.mu.Lock()
	delete(g.sessions, r.pid)
	g.mu.Unlock()
}

// cancelRequest takes a CancelRequest's process id and key. A wrong one is ignored
// without a word and after the same comparison: the connection just closes, as
// PostgreSQL does, whatever came of it.
func (g *Gate) cancelRequest(b []byte) {
	pid, key, ok := cut32(b)
	if !ok {
		return
	}
	g.mu.Lock()
	r := g.sessions[pid]
	g.mu.Unlock()
	want := make([]byte, len(key))
	if r != nil && len(r.key) == len(key) { // the length is no secret
		want = r.key
	} else {
		r = nil
	}
	if subtle.ConstantTimeCompare(want, key) != 1 || r == nil {
		return
	}
	r.cancelling.Lock()
	defer r.cancelling.Unlock()
	ctx, stop := context.WithTimeout(r.ctx, cancelTimeout)
	defer stop()
	if err := r.cancel(ctx); err != nil && r.ctx.Err() == nil {
		g.logger.Warn("cancel request failed", "error", err)
	}
}
