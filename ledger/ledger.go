package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

var (
	// ErrNoSpace is of this moment: the log accepts again when there is room.
	ErrNoSpace = errors.New("no space left under the write-ahead log")
	// ErrInconsistent is final: the log contradicts itself.
	ErrInconsistent = errors.New("the log is inconsistent")
	// ErrNoLog says that a directory holds no log.
	ErrNoLog = errors.New("no log here")
)

const (
	maxPending = 64 << 20        // bytes appended and not yet written, beyond which nothing is accepted
	maxBehind  = 5 * time.Second // how far the wall clock may fall behind the newest entry
	unhurried  = 20 * time.Millisecond
)

// Options is what a log needs to open. Zero durations and sizes take defaults.
type Options struct {
	Dir             string           // the data directory; the log has it to itself
	Gate            string           // name of the gate that writes
	Signer          note.Signer      // signs checkpoints; its name is the origin
	Verifier        note.Verifier    // of that key
	Master          [32]byte         // wraps the keys of sealed parts
	Clock           func() time.Time // injected; app passes time.Now
	NoFsync         bool             // benchmarks only; the start entry says so
	SegmentBytes    int64            // default 64 MiB
	CheckpointEvery time.Duration    // at most one checkpoint in this time; default 100 ms
	RetireAfter     time.Duration    // nothing said for so long: what is published leaves the write-ahead log; default 10 s
	Logger          *slog.Logger
}

// Ref is where an entry stands.
type Ref = record.Ref

// Log is an open log: the only appender of its directory.
type Log struct {
	opt    Options
	origin string
	lock   *os.File
	wal    wal
	keys   *keyStore

	mu      sync.Mutex // guards what decides an entry's place
	next    uint64     // sequence of the next entry
	last    record.Hash
	time    int64
	epoch   uint64
	rules   record.Hash
	buf     []byte // frames not yet written
	spare   []byte
	base    uint64 // first sequence in buf
	leaf    []byte
	stopped error // why nothing is accepted, nil if it is
	late    *time.Timer
	lateSet bool

	durable   atomic.Uint64
	waitMu    sync.Mutex
	waiters   []*waiter
	blocked   error // why nothing becomes durable at present
	waitPool  sync.Pool
	work      chan struct{} // there is something to write
	grown     chan struct{} // there is something to build
	done      chan struct{} // closing
	loops     sync.WaitGroup
	failOnce  sync.Once
	failed    chan struct{}
	failure   error
	closeOnce sync.Once
	closeErr  error
	published atomic.Uint64
	built     atomic.Pointer[walPlace] // where in the write-ahead log the builder stands

	// The builder's own: used by its loop, or before it starts and after it ended.
	tree     *tree
	evidence *evidence
	reader   *walReader
}

type waiter struct {
	seq uint64
	ch  chan error
}

// Open continues the log in opt.Dir. It takes the directory's lock, reads what
// the write-ahead log holds beyond the tree, and starts writing and building.
func Open(opt Options) (_ *Log, err error) {
	if opt.SegmentBytes == 0 {
		opt.SegmentBytes = 64 << 20
	}
	if opt.CheckpointEvery == 0 {
		opt.CheckpointEvery = 100 * time.Millisecond
	}
	if opt.RetireAfter == 0 {
		opt.RetireAfter = 10 * time.Second
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if _, err := os.Stat(filepath.Join(opt.Dir, "log", "checkpoint")); err != nil {
		return nil, fmt.Errorf("%w: %s has no log/checkpoint (trefoil init makes one)", ErrNoLog, opt.Dir)
	}
	if s, v := opt.Signer, opt.Verifier; s.Name() != v.Name() || s.KeyHash() != v.KeyHash() {
		return nil, fmt.Errorf("the log's signer %s+%08x is not the key %s+%08x that verifies it", s.Name(), s.KeyHash(), v.Name(), v.KeyHash())
	}
	l := &Log{
		opt: opt, origin: opt.Signer.Name(),
		wal:  wal{dir: filepath.Join(opt.Dir, "wal"), segment: opt.SegmentBytes, fsync: !opt.NoFsync},
		work: make(chan struct{}, 1), grown: make(chan struct{}, 1),
		done: make(chan struct{}), failed: make(chan struct{}),
	}
	l.waitPool.New = func() any { return &waiter{ch: make(chan error, 1)} }
	if l.lock, err = durable.Lock(opt.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.closeFiles()
		}
	}()
	if l.keys, err = openKeys(filepath.Join(opt.Dir, "keys.db"), opt.Master, false); err != nil {
		return nil, err
	}
	if err = l.openBuild(); err != nil {
		return nil, err
	}
	if err = l.tree.removeTemps(); err != nil {
		return nil, err
	}
	if err = l.catchUp(); err != nil {
		return nil, err
	}
	l.late = time.AfterFunc(time.Hour, func() { signal(l.work) })
	l.loops.Add(2)
	go l.commitLoop()
	go l.buildLoop()
	return l, nil
}

// openBuild makes the builder's state from what is on disk.
func (l *Log) openBuild() (err error) {
	if l.reader != nil {
		l.reader.close()
	}
	if l.tree, err = openTree(filepath.Join(l.opt.Dir, "log"), l.opt.Signer, l.opt.Verifier); err != nil {
		return err
	}
	if l.evidence, err = openEvidence(l.opt.Dir, l.tree.size, l.keys); err != nil {
		return err
	}
	l.reader = &walReader{dir: l.wal.dir, next: l.tree.size}
	l.published.Store(l.tree.size)
	return nil
}

// catchUp finds the end of the log: the last published entry, then what the
// write-ahead log holds beyond it.
func (l *Log) catchUp() error {
	size := l.tree.size
	if size > 0 {
		leaf, err := l.Leaf(size - 1)
		if err != nil {
			return err
		}
		parsed, err := record.ParseLeaf(leaf)
		if err != nil || parsed.Seq != size-1 {
			return fmt.Errorf("%w: entry %d does not read: %v", ErrInconsistent, size-1, err)
		}
		l.last, l.time, l.epoch, l.rules = record.LeafHash(leaf), parsed.Time, parsed.Epoch, parsed.Rules
	}
	next, err := l.wal.recover(size, func(seq uint64, entry []byte) error {
		leaf, parts, err := record.SplitEntry(entry)
		if err != nil {
			return fmt.Errorf("%w: entry %d in the write-ahead log: %v", ErrInconsistent, seq, err)
		}
		parsed, err := record.ParseLeaf(leaf)
		switch {
		case err != nil:
			return fmt.Errorf("%w: entry %d in the write-ahead log: %v", ErrInconsistent, seq, err)
		case parsed.Seq != seq || parsed.Prev != l.last:
			return fmt.Errorf("%w: entry %d does not follow the one before it", ErrInconsistent, seq)
		case parsed.Commit != record.Commit(parts):
			return fmt.Errorf("%w: the parts of entry %d are not those it committed to", ErrInconsistent, seq)
		}
		l.last, l.time, l.epoch, l.rules = record.LeafHash(leaf), parsed.Time, parsed.Epoch, parsed.Rules
		return nil
	})
	if err != nil {
		return err
	}
	l.next, l.base = next, next
	l.epoch++
	l.durable.Store(next)
	return nil
}

// Origin is the log's name in its checkpoints.
func (l *Log) Origin() string { return l.origin }

// Epoch is how many times this log has been opened for writing.
func (l *Log) Epoch() uint64 { return l.epoch }

// Next is the sequence the next entry will get: the state as of Next has seen
// every entry there is.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Durable is the number of entries that would survive a crash now: everything
// with a sequence below it.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// Published is the size of the newest checkpoint.
func (l *Log) Published() uint64 { return l.published.Load() }

// SetRules sets the digest that stands in every leaf from the next on.
func (l *Log) SetRules(digest record.Hash) {
	l.mu.Lock()
	l.rules = digest
	l.mu.Unlock()
}

// Append gives the draft its place. It is not durable yet: nothing may depend
// on it before Wait or Durable says so. The error is a *fault.Error.
func (l *Log) Append(d *record.Draft) (Ref, error) { return l.append(d, nil) }

// AppendRules is Append for an entry of new rules: their digest stands in every
// leaf after it, without a gap.
func (l *Log) AppendRules(d *record.Draft, digest record.Hash) (Ref, error) {
	return l.append(d, &digest)
}

func (l *Log) append(d *record.Draft, rules *record.Hash) (Ref, error) {
	if err := d.Check(); err != nil {
		return Ref{}, fault.New(fault.TooLarge, "%w", err)
	}
	commit := d.Commit() // outside the lock: it does not depend on the place
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		return Ref{}, notRecorded(l.stopped)
	}
	if len(l.buf) > maxPending {
		return Ref{}, notRecorded(errors.New("the disk does not keep up"))
	}
	now := l.opt.Clock().UnixMicro()
	if now < l.time {
		if l.time-now > maxBehind.Microseconds() {
			err := fmt.Errorf("the clock is %s behind the newest entry", time.Duration(l.time-now)*time.Microsecond)
			l.stopped = err
			l.fail(err)
			return Ref{}, notRecorded(err)
		}
		now = l.time
	}
	leaf := record.Leaf{Gate: l.opt.Gate, Epoch: l.epoch, Seq: l.next, Time: now, Kind: d.Kind,
		Rules: l.rules, Outcome: d.Outcome, Purpose: d.Purpose, Prev: l.last, Commit: commit}
	if err := leaf.Check(); err != nil {
		return Ref{}, fault.Public(err)
	}
	l.leaf = leaf.AppendText(l.leaf[:0])
	start := len(l.buf)
	if start == 0 {
		l.base = l.next
	}
	l.buf = record.AppendEntry(beginFrame(l.buf), l.leaf, d.Parts)
	if len(l.buf)-start-frameHeader > maxFrame {
		l.buf = l.buf[:start]
		return Ref{}, fault.New(fault.TooLarge, "the record of this would exceed %d bytes", maxFrame)
	}
	endFrame(l.buf, start, l.next, l.base)
	l.last, l.time = record.LeafHash(l.leaf), now
	l.next++
	if rules != nil {
		l.rules = *rules
	}
	l.call(d.Kind)
	return Ref{Seq: leaf.Seq, Hash: l.last, Time: now}, nil
}

// call wakes the committer. Nobody waits for a result, so a result alone does
// not start a sync that the next statement would have to sit out: it goes with
// the next group, or after a moment. l.mu is held.
func (l *Log) call(kind record.Kind) {
	switch {
	case kind != record.KindResult:
		signal(l.work)
	case !l.lateSet:
		l.lateSet = true
		l.late.Reset(unhurried)
	}
}

func notRecorded(err error) *fault.Error {
	if errors.Is(err, ErrNoSpace) {
		err = ErrNoSpace // where the disk is mounted is nobody's business
	}
	e := fault.New(fault.NotRecorded, "nothing is served because it could not be recorded: %w", err)
	return e.WithHint("ask the operator to look at the log of trefoil serve")
}

// signal wakes a loop that may already be awake.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Wait returns once the entry seq is durable, or says that it is not at present:
// the entry keeps its place, but nothing may be let through on its account.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	if l.durable.Load() > seq {
		return nil
	}
	w := l.waitPool.Get().(*waiter)
	w.seq = seq
	l.waitMu.Lock()
	if l.durable.Load() > seq {
		l.waitMu.Unlock()
		l.waitPool.Put(w)
		return nil
	}
	if err := l.blocked; err != nil {
		l.waitMu.Unlock()
		l.waitPool.Put(w)
		return notRecorded(err)
	}
	l.waiters = append(l.waiters, w)
	l.waitMu.Unlock()
	signal(l.work) // the entry may be one that was in no hurry
	select {
	case err := <-w.ch:
		l.waitPool.Put(w)
		return err
	case <-ctx.Done(): // w stays queued and is not reused
		return context.Cause(ctx)
	case <-l.failed:
		return notRecorded(l.failure)
	}
}

// Record appends and waits: what most callers off the hot path want.
func (l *Log) Record(ctx context.Context, d *record.Draft) (Ref, error) {
	ref, err := l.Append(d)
	if err == nil {
		err = l.Wait(ctx, ref.Seq)
	}
	return ref, err
}

// Failed is closed when the log can't go on; Err says why. The process must end.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err is the reason once Failed is closed.
func (l *Log) Err() error {
	select {
	case <-l.failed:
		return l.failure
	default:
		return nil
	}
}

func (l *Log) fail(err error) {
	l.failOnce.Do(func() {
		l.failure = err
		close(l.failed)
	})
}

// Close writes what is pending, publishes it, and lets go of the directory. A
// second call gives what the first gave.
func (l *Log) Close() error {
	l.closeOnce.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *Log) close() error {
	l.mu.Lock()
	if l.stopped == nil {
		l.stopped = errors.New("the log is closed")
	}
	l.mu.Unlock()
	close(l.done)
	l.loops.Wait()
	err := l.Err()
	if err == nil {
		err = l.build()
	}
	if err == nil {
		l.retire()
	}
	l.closeFiles()
	return err
}

func (l *Log) closeFiles() {
	if l.keys != nil {
		l.keys.close()
	}
	if l.wal.file != nil {
		l.wal.file.Close()
	}
	if l.reader != nil {
		l.reader.close()
	}
	l.lock.Close()
}

// NewSeed is 32 random bytes for a key file.
func NewSeed() (seed [32]byte) {
	rand.Read(seed[:])
	return seed
}
