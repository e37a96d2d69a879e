package pggate

import (
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// limiting ends the session once an answer has been due for longer than
// Config.MaxStatement. The store's own statement_timeout is the client's to set,
// and nothing but a closed socket stops a client that reads too slowly. stop must
// be called at the session's end.
func (r *relay) limiting() (stop func() bool) {
	most := r.gate.cfg.MaxStatement
	every := min(most/4, nudgeEvery)
	var t *time.Timer
	var seen uint64
	since := time.Now()
	t = time.AfterFunc(time.Hour, func() {
		taken, owed := r.due.progress()
		switch now := time.Now(); {
		case taken != seen || !owed:
			seen, since = taken, now
		case now.Sub(since) >= most:
			r.end(fault.New(fault.TooLong, "a statement has run for %s, the longest this gate allows", most).
				WithHint("connect again and ask in smaller parts; the operator can raise limits.statement"))
		}
		if r.ctx.Err() == nil {
			t.Reset(every)
		}
	})
	t.Reset(every)
	return t.Stop
}
