package ledger

import (
	"errors"
	"runtime"
	"time"

	"github.com/trefoil-dev/trefoil/record"
)

// maxBuild bounds the entries of one pass, and with them the builder's memory.
const maxBuild = 1 << 13

// Under load the builder pauses longer: its syncs compete with those that
// somebody waits for.
const (
	busy      = 256 // entries in one pass
	busyPause = 500 * time.Millisecond
)

// buildLoop publishes what is durable, at most once in CheckpointEvery.
func (l *Log) buildLoop() {
	defer l.loops.Done()
	for {
		select {
		case <-l.grown:
		case <-l.done:
			return
		}
		pause, before := l.opt.CheckpointEvery, l.published.Load()
		if err := l.build(); err != nil {
			if errors.Is(err, ErrInconsistent) {
				l.suspend(err)
				l.fail(err)
				return
			}
			// Nothing is lost: the write-ahead log keeps what is not published.
			l.opt.Logger.Error("entries are recorded but not published; trying again", "err", err)
			signal(l.grown)
			pause = max(pause, time.Second)
		} else if l.published.Load()-before > busy {
			pause = max(pause, busyPause)
		}
		select {
		case <-time.After(pause):
		case <-l.done:
			return
		}
	}
}

// build folds every durable entry into evidence, keys, tiles and checkpoint, in
// that order, and then lets go of the segments it read them from.
func (l *Log) build() (err error) {
	if l.tree == nil { // the pass before failed: begin anew from what is on disk
		if err := l.openBuild(); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			l.tree = nil
		}
	}()
	for l.tree.size < l.durable.Load() {
		end := min(l.durable.Load(), l.tree.size+maxBuild)
		for seq := l.tree.next(); seq < end; seq++ {
			frame, err := l.reader.frame()
			if err != nil {
				return err
			}
			leaf, parts, err := record.SplitEntry(frame)
			if err != nil {
				return err
			}
			if err := l.evidence.add(seq, parts); err != nil {
				return err
			}
			l.tree.add(leaf)
			runtime.Gosched() // somebody waits for the other loops, nobody for this one
		}
		if err := l.evidence.commit(l.keys); err != nil {
			return err
		}
		if err := l.tree.publish(); err != nil {
			return err
		}
		place := l.reader.place()
		l.built.Store(&place)
		l.published.Store(l.tree.size)
		if err := l.wal.drop(l.tree.size); err != nil {
			return err
		}
	}
	return nil
}
