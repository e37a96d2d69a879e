package gate

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// unhurried is how long results wait for company: nobody waits for them.
const unhurried = 20 * time.Millisecond

// batcher records what the sessions of one grant of a service ask, one entry for
// each flush. While one batch is being made durable the next is gathered: batches
// grow with the load, and no statement waits for a timer.
type batcher struct {
	log   Recorder
	clock func() time.Time
	grant access.Grant

	sessions int // guarded by the gate's mutex

	mu      sync.Mutex
	turned  sync.Cond // a batch was taken, became durable, or failed
	filling *batch
	spare   *batch
	taken   uint64 // batches taken to be written
	written uint64 // and those that are durable
	open    int64  // record.Statements.Open
	lateSet bool
	err     error // why no more is recorded; sessions that come then get another batcher

	work   chan struct{} // there is something to write
	late   *time.Timer
	broken chan struct{} // closed once err is set
	done   chan struct{} // closed when the last session has left
	sealer sealer        // run's own
}

// join gives a session its place in the batches of its grant.
func (g *Gate) join(adm access.Admission) *batched {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.batchers[adm.Grant.Seq]
	if b == nil || b.isBroken() {
		b = &batcher{log: g.record, clock: g.clock, grant: adm.Grant, filling: newBatch(), spare: newBatch(),
			work: make(chan struct{}, 1), broken: make(chan struct{}), done: make(chan struct{})}
		b.turned.L = &b.mu
		b.late = time.AfterFunc(time.Hour, b.signal)
		g.batchers[adm.Grant.Seq] = b
		go b.run()
	}
	b.sessions++
	s := &batched{batcher: b, gate: g, session: adm.Session, wake: make(chan struct{}, 1)}
	s.durable.Store(1)
	return s
}

// leave ends the batcher with its last session.
func (g *Gate) leave(b *batcher) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.sessions--; b.sessions > 0 {
		return
	}
	if g.batchers[b.grant.Seq] == b {
		delete(g.batchers, b.grant.Seq)
	}
	b.late.Stop()
	close(b.done)
}

func (b *batcher) isBroken() bool {
	select {
	case <-b.broken:
		return true
	default:
		return false
	}
}

func (b *batcher) signal() {
	select {
	case b.work <- struct{}{}:
	default:
	}
}

func (b *batcher) run() {
	for {
		select {
		case <-b.work:
			for b.flush() {
			}
		case <-b.done:
			return
		}
	}
}

// flush writes what has been gathered and returns once it is durable. It reports
// whether statements have come meanwhile.
func (b *batcher) flush() bool {
	b.mu.Lock()
	full, open := b.filling, b.open
	if full.empty() || b.err != nil {
		b.mu.Unlock()
		return false
	}
	b.filling, b.spare, b.lateSet = b.spare, nil, false
	b.taken++
	b.turned.Broadcast()
	b.mu.Unlock()

	ref, err := b.log.Append(b.sealer.seal(full, b.grant.Seq, b.grant.Scope, b.grant.Purpose, open))
	if err == nil {
		err = b.log.Wait(context.Background(), ref.Seq)
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.turned.Broadcast()
	if err != nil {
		b.err = err
		close(b.broken)
		return false
	}
	b.written++
	for _, a := range full.asked {
		a.by.durable.Store(a.below)
		select {
		case a.by.wake <- struct{}{}:
		default:
		}
	}
	full.reset()
	b.spare = full
	return b.filling.statements > 0
}

// room waits until so many bytes fit. b.mu is held.
func (b *batcher) room(n int) error {
	if n > maxLines {
		return fault.New(fault.TooLarge, "the record of this would exceed %d bytes", record.MaxPart)
	}
	for b.err == nil && !b.filling.empty() && len(b.filling.part)+n > maxBatch {
		b.signal()
		b.turned.Wait()
	}
	return b.err
}

// batched is the recorder of one session of a service. Positions are the numbers
// of its statements, from 1; refusals have 0, since they are durable at once.
type batched struct {
	*batcher
	gate    *Gate
	session uint64
	durable atomic.Uint64
	wake    chan struct{}

	refusal      record.Draft
	text, params []byte // used by the client's direction

	// Guarded by the batcher's mutex.
	asked, answered uint64 // newest statement, newest with a result
	turn            uint64 // batch that has it in asked, by batcher.taken
	place           int    // where
}

// Durable implements pggate.Durability.
func (s *batched) Durable() uint64 { return s.durable.Load() }

// Wait implements pggate.Durability.
func (s *batched) Wait(ctx context.Context, pos uint64) error {
	for s.durable.Load() <= pos {
		select {
		case <-s.wake:
		case <-s.broken:
			return s.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Statement implements recorder. It allocates nothing once its buffers have grown.
func (s *batched) Statement(st *pggate.Statement) (uint64, error) {
	s.text = appendText(s.text[:0], st)
	s.params = appendParams(s.params[:0], st.Params)
	now := s.clock().UnixMicro()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(len(s.text) + len(s.params) + lineRoom); err != nil {
		return 0, err
	}
	b := s.filling
	s.asked++
	s.open++
	b.statement(s.asked, s.session, b.text(s.text), now, s.params)
	if s.turn != s.taken+1 {
		s.turn, s.place = s.taken+1, len(b.asked)
		b.asked = append(b.asked, asked{by: s})
	}
	b.asked[s.place].below = s.asked + 1
	s.signal()
	return s.asked, nil
}

// Refused implements recorder. It returns once the refusal, an entry of its own,
// is durable.
func (s *batched) Refused(st *pggate.Statement, why *fault.Error) (uint64, error) {
	seq, err := appendRefusal(s.log, &s.refusal, s.session, s.grant.Purpose, st, why)
	if err == nil {
		err = s.log.Wait(context.Background(), seq)
	}
	return 0, err
}

// Result implements recorder.
func (s *batched) Result(r *pggate.Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(lineRoom); err != nil {
		return err
	}
	s.filling.result(s.session, r)
	if r.Completeness != pggate.Suspended && r.Pos > s.answered {
		s.open -= int64(r.Pos - s.answered)
		s.answered = r.Pos
	}
	if !s.lateSet {
		s.lateSet = true
		s.late.Reset(unhurried)
	}
	return nil
}

// finish implements recorder.
func (s *batched) finish() error {
	defer s.gate.leave(s.batcher)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open -= int64(s.asked - s.answered)
	last := s.taken
	if !s.filling.empty() {
		last++
		s.signal()
	}
	for s.err == nil && s.written < last {
		s.turned.Wait()
	}
	return s.err
}
