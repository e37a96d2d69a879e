package index

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// Log is what the index reads of the ledger.
type Log interface {
	Durable() uint64
	Wait(ctx context.Context, seq uint64) error
	Leaf(seq uint64) ([]byte, error)
	Walk(from, to uint64, want func(*record.Leaf) bool, visit func(record.Entry) error) error
}

const (
	maxBatch = 4096                   // entries of one transaction
	maxShort = 512                    // the same while the gate appends: about 10 ms of a processor
	maxBytes = 8 << 20                // bytes of their parts
	gather   = 250 * time.Millisecond // from the first new entry to a batch, unless somebody waits for it
	longest  = 2 * time.Second        // pause between two batches
	after    = 10 * time.Second       // a failure
	// busy is how long the index rests for each unit it works while the gate
	// appends. A lower priority for its thread would make it cheaper still, and
	// the gate slower: the garbage collector stops the world by waiting for each.
	busy = 15
)

// Options is what an index needs.
type Options struct {
	Path   string   // of the file; made when it is not there
	Log    Log      //
	Key    [32]byte // hashes people's keys
	Logger *slog.Logger
	Batch  int // entries of one transaction; default 4096
}

// Index follows one log.
type Index struct {
	opt  Options
	mu   sync.RWMutex // held for reading by searches, for writing where db is exchanged
	db   *db          // nil until opened
	kick chan struct{}
	anew atomic.Bool // a rebuild was asked for
	made bool        // the open file was begun by this process; Run's own

	statusMu sync.Mutex
	status   Status
	news     chan struct{} // closed at each change of status, and replaced
}

// Status is how far the index has read.
type Status struct {
	Indexed uint64 // entries
	Durable uint64 // entries of the log
	Builds  uint64 // how often it was begun anew since the process started
	Err     error  // why it does not get on, nil if it does
}

// New makes an index; nothing is opened before Run.
func New(opt Options) *Index {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Batch == 0 {
		opt.Batch = maxBatch
	}
	return &Index{opt: opt, kick: make(chan struct{}, 1), news: make(chan struct{})}
}

// Status says where the index stands.
func (x *Index) Status() Status {
	s, _ := x.now()
	return s
}

func (x *Index) now() (Status, <-chan struct{}) {
	x.statusMu.Lock()
	defer x.statusMu.Unlock()
	s := x.status
	s.Durable = x.opt.Log.Durable()
	return s, x.news
}

func (x *Index) tell(change func(*Status)) {
	x.statusMu.Lock()
	defer x.statusMu.Unlock()
	change(&x.status)
	close(x.news)
	x.news = make(chan struct{})
}

// hurry cuts the present pause short.
func (x *Index) hurry() {
	select {
	case x.kick <- struct{}{}:
	default:
	}
}

// Run follows the log until ctx ends. What goes wrong is logged, told by Status
// and tried again: no failure of the index is one of the instance.
func (x *Index) Run(ctx context.Context) {
	defer x.exchange(nil)
	for ctx.Err() == nil {
		err := x.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			continue // a rebuild was asked for
		}
		if unfit(err) {
			x.anew.Store(true)
			if !x.made {
				x.opt.Logger.Warn("the index was altered", "path", x.opt.Path, "err", err)
				continue
			}
		}
		x.opt.Logger.Error("the index does not get on; trying again", "path", x.opt.Path, "err", err)
		x.tell(func(s *Status) { s.Err = err })
		x.pause(ctx, after)
	}
}

// exchange closes the file that is open and takes another.
func (x *Index) exchange(d *db) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.db.close()
	x.db = d
}

// follow opens the file and adds batches to it. It returns nil when it is to
// begin anew.
func (x *Index) follow(ctx context.Context) error {
	x.exchange(nil)
	if x.anew.Swap(false) {
		if err := remove(x.opt.Path); err != nil {
			return err
		}
	}
	d, why, err := openDB(ctx, &x.opt)
	if err != nil {
		return err
	}
	if why != "" {
		x.opt.Logger.Info("the index is made anew from the log", "path", x.opt.Path, "why", why)
	}
	x.exchange(d)
	x.made = why != ""
	x.tell(func(s *Status) {
		s.Indexed, s.Err = d.next, nil
		if why != "" {
			s.Builds++
		}
	})
	a, err := newApplier(d, x.opt.Key)
	if err != nil {
		return err
	}
	defer a.close()
	working := false // the gate
	for !x.anew.Load() {
		before := x.opt.Log.Durable()
		if d.next >= before {
			if err := x.await(ctx, d.next); err != nil {
				return err
			}
			continue
		}
		begin, most := time.Now(), x.opt.Batch
		if working {
			most = min(most, maxShort)
		}
		if err := a.batch(ctx, x.opt.Log, min(before, d.next+uint64(most))); err != nil {
			return err
		}
		x.tell(func(s *Status) { s.Indexed = d.next })
		if working = x.opt.Log.Durable() > before; working {
			x.rest(ctx, min(busy*time.Since(begin), longest))
		}
	}
	return nil
}

// await returns when the log has grown beyond next, a little later than that so
// that a trickle of entries does not become a transaction each; or at a kick.
func (x *Index) await(ctx context.Context, next uint64) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed error
	grown := make(chan struct{})
	go func() {
		failed = x.opt.Log.Wait(waiting, next)
		close(grown)
	}()
	select {
	case <-grown:
		if failed != nil {
			return failed
		}
		x.pause(ctx, gather)
	case <-x.kick:
		cancel()
		<-grown // it was cancelled
	}
	return ctx.Err()
}

// pause waits, unless somebody is in a hurry.
func (x *Index) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-x.kick:
	case <-ctx.Done():
	}
}

// rest waits whoever is in a hurry: it is what keeps the index cheap.
func (x *Index) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Rebuild throws the index away and begins anew. It returns once that has
// begun; Status tells how far it is.
func (x *Index) Rebuild(ctx context.Context) (Status, error) {
	s, news := x.now()
	builds := s.Builds
	x.anew.Store(true)
	x.hurry()
	for {
		if s.Builds > builds {
			return s, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
		if s, news = x.now(); s.Err != nil && s.Builds == builds && !unfit(s.Err) {
			return s, fault.New(fault.Stopping, "the index can't be made anew: %s", s.Err).WithHint("what it says is in the log of trefoil serve")
		}
	}
}

// reach waits until the index has read n entries, or for so long.
func (x *Index) reach(ctx context.Context, n uint64, patience time.Duration) {
	t := time.NewTimer(patience)
	defer t.Stop()
	for {
		s, news := x.now()
		if s.Indexed >= n || s.Err != nil {
			return
		}
		x.hurry()
		select {
		case <-news:
		case <-t.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
