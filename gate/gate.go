package gate

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// Recorder is what the gate needs of the ledger.
type Recorder interface {
	Append(*record.Draft) (record.Ref, error)
	pggate.Durability // of entries, by their sequence
}

// Store is one PostgreSQL server of a zone, as the gate uses it.
type Store interface {
	// Check says whether the dataset is fenced and the lens is as it was compiled;
	// it gives the lens's digest.
	Check(ctx context.Context, ds *catalog.Dataset, lens, scope string) (digest string, err error)
	// Open makes the session's role, or finds its service's, and connects as it. A
	// seat with a role is to be closed, also after an error.
	Open(ctx context.Context, o Opening) (seat Seat, up pggate.Upstream, err error)
	// Close terminates the session's backend and drops the role, unless other
	// sessions of its service share it.
	Close(ctx context.Context, seat Seat) error
	// Keys says whether subjects could be keys of the dataset: if not, it gives a
	// fault of kind BadInput.
	Keys(ctx context.Context, ds *catalog.Dataset, lens string, subjects []string) error
	// Sweep drops what earlier runs of this gate left behind.
	Sweep(ctx context.Context) error
}

// Seat is where a session sits in its store.
type Seat struct {
	Role  string
	pid   uint32 // of its backend; 0: it has none
	fixed *fixed // the role it shares; nil: it has one of its own
}

// Opening is a session to be opened on a store.
type Opening struct {
	Session  uint64
	Service  string // whose sessions share a role; empty: a person's
	Dataset  *catalog.Dataset
	Lens     string
	Scope    string
	Grant    uint64
	Subjects []string // keys of the people of the case
	Pad      [32]byte // the grant's pseudonym key
	Settings []pggate.Setting
}

// Config is what a gate is made of.
type Config struct {
	Register *access.Register
	Log      Recorder
	Read     func(seq uint64) (record.Entry, error) // a durable entry, for the people of a case
	Stores   map[string]Store                       // by the store names of the catalogue
	Seed     Seed
	Clock    func() time.Time
	Logger   *slog.Logger
}

// Gate implements pggate.Desk.
type Gate struct {
	register  *access.Register
	record    Recorder
	read      func(uint64) (record.Entry, error)
	stores    map[string]Store
	seed      Seed
	clock     func() time.Time
	log       *slog.Logger
	verifiers verifiers
	strangers strangers

	mu       sync.Mutex
	sessions map[uint64]*session
	batchers map[uint64]*batcher          // of the services' grants with sessions
	rules    atomic.Pointer[access.Rules] // by which every open session was last decided
}

// New makes a gate. Call Recheck after every change of state.
func New(c Config) *Gate {
	return &Gate{register: c.Register, record: c.Log, read: c.Read, stores: c.Stores, seed: c.Seed,
		clock: c.Clock, log: c.Logger, sessions: make(map[uint64]*session), batchers: make(map[uint64]*batcher)}
}

func (g *Gate) now() int64 { return g.clock().UnixMicro() }

// Stranger implements pggate.Desk.
func (g *Gate) Stranger(remote netip.AddrPort, reason string) {
	g.strangers.count(remote.Addr().Unmap(), reason)
}

// Recheck ends, at once, every session whose grant has ended or that would not
// be admitted by the rules now in force.
func (g *Gate) Recheck(s *access.State) {
	changed := g.rules.Swap(s.Rules) != s.Rules
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, open := range g.sessions {
		grant := s.Grants[open.grant.Seq]
		switch {
		case grant.Ended != 0:
			open.end("revoked", fault.New(fault.GrantEnded, "grant %s was revoked", grant.ID()).WithHint("trefoil access show %s", grant.ID()))
		case now >= grant.Until:
			open.expire()
		case changed:
			if err := s.Still(open.attempt, now); err != nil {
				open.end("rules", err)
			}
		}
	}
}

// EndAll ends every session for one reason: the log failed, the gate stops.
func (g *Gate) EndAll(reason string, why *fault.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sessions {
		s.end(reason, why)
	}
}

// redecide ends the sessions that time itself has made inadmissible, by the rules
// that are in force: a limit in a rule, a decision on adequacy that has run out.
func (g *Gate) redecide() {
	state, now := g.register.State(), g.now()
	g.mu.Lock()
	sessions := slices.Collect(maps.Values(g.sessions))
	g.mu.Unlock()
	for _, s := range sessions {
		if err := state.Still(s.attempt, now); err != nil {
			s.end("rules", err)
		}
	}
}

// Run does what has to be done again and again, until ctx ends: decide open
// sessions again and patrol their stores, and each minute sweep leftovers and
// record what strangers did.
func (g *Gate) Run(ctx context.Context) {
	var deciding sync.WaitGroup
	defer deciding.Wait()
	deciding.Go(func() { // beside the patrol, which waits for stores
		for again := time.NewTicker(fenceAge); ; {
			select {
			case <-again.C:
				g.redecide()
			case <-ctx.Done():
				again.Stop()
				return
			}
		}
	})
	minute, often := time.NewTicker(time.Minute), time.NewTicker(fenceAge)
	defer minute.Stop()
	defer often.Stop()
	g.sweep(ctx)
	for {
		select {
		case <-often.C:
			g.patrol(ctx)
		case <-minute.C:
			g.sweep(ctx)
			g.recordStrangers()
		case <-ctx.Done():
			g.recordStrangers()
			return
		}
	}
}

func (g *Gate) sweep(ctx context.Context) {
	for name, store := range g.stores {
		if err := store.Sweep(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("leftover roles could not be swept", "store", name, "err", err)
		}
	}
}
