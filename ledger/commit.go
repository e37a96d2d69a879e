package ledger

import (
	"errors"
	"time"
)

// commitLoop writes whatever has come together while the group before was
// being synced. It never waits for a group to fill: under load groups grow by
// themselves, without load an entry is durable after one sync.
func (l *Log) commitLoop() {
	defer l.loops.Done()
	quiet := time.NewTicker(l.opt.RetireAfter)
	defer quiet.Stop()
	busy := true
	for {
		select {
		case <-l.work:
			busy = true
			if !l.commitPending() {
				return
			}
		case <-quiet.C:
			if !busy {
				l.retire()
			}
			busy = false
		case <-l.done:
			l.commitPending()
			return
		}
	}
}

// retire lets go of the write-ahead log's last segment once all of it is
// published. Only the committer writes, so nothing is written meanwhile.
func (l *Log) retire() {
	l.mu.Lock()
	published := len(l.buf) == 0 && l.published.Load() == l.next
	l.mu.Unlock()
	if !published {
		return
	}
	l.built.Store(nil)
	if err := l.wal.retire(); err != nil {
		l.opt.Logger.Error("published entries still lie in the write-ahead log", "err", err)
	}
}

// commitPending writes groups until none is pending; false means the log failed.
func (l *Log) commitPending() bool {
	for {
		l.mu.Lock()
		group, first, end := l.buf, l.base, l.next
		l.buf, l.spare, l.lateSet = l.spare[:0], nil, false
		l.mu.Unlock()
		if len(group) > 0 && !l.writeGroup(group, first) {
			return false
		}
		if cap(group) > 4<<20 {
			group = nil // a burst's buffer is not kept
		}
		l.mu.Lock()
		l.spare = group
		more := len(l.buf) > 0
		l.mu.Unlock()
		if end > l.durable.Load() {
			l.durable.Store(end)
			l.wake(end)
			signal(l.grown)
		}
		if !more {
			return true
		}
	}
}

// writeGroup writes one group. On a full disk it refuses new entries and tries
// again each second, because what has its place must get there before anything
// that comes after it.
func (l *Log) writeGroup(group []byte, first uint64) bool {
	for {
		err := l.wal.write(group, first)
		if err == nil {
			l.resume()
			return true
		}
		if !errors.Is(err, ErrNoSpace) {
			l.suspend(err)
			l.fail(err)
			return false
		}
		if l.suspend(err) {
			l.opt.Logger.Error("nothing is served until there is space for the log", "dir", l.wal.dir, "err", err)
			l.wakeFailed(err)
		}
		select {
		case <-time.After(time.Second):
		case <-l.done:
			l.fail(err)
			return false
		}
	}
}

// suspend refuses new entries and says whether it was this call that did.
func (l *Log) suspend(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		return false
	}
	l.stopped = err
	return true
}

func (l *Log) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.stopped, ErrNoSpace) {
		l.waitMu.Lock()
		l.blocked = nil // whoever is accepted from here on may wait
		l.waitMu.Unlock()
		l.stopped = nil
		l.opt.Logger.Info("there is space again; the log goes on")
	}
}

func (l *Log) wake(durable uint64) {
	l.waitMu.Lock()
	defer l.waitMu.Unlock()
	kept := l.waiters[:0]
	for _, w := range l.waiters {
		if w.seq < durable {
			w.ch <- nil
		} else {
			kept = append(kept, w)
		}
	}
	clear(l.waiters[len(kept):])
	l.waiters = kept
}

// wakeFailed tells everybody who waits, or will, that it did not happen in time. Their
// entries keep their places and are written when there is room: an attempt is
// recorded even though it was not served.
func (l *Log) wakeFailed(err error) {
	l.waitMu.Lock()
	defer l.waitMu.Unlock()
	l.blocked = err
	for _, w := range l.waiters {
		w.ch <- notRecorded(err)
	}
	clear(l.waiters)
	l.waiters = l.waiters[:0]
}
