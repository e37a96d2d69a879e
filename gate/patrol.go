package gate

import (
	"context"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// beat is what sessions have in common that read through one lens of one store.
type beat struct {
	store                Store
	dataset, lens, scope string
}

// patrol asks every store that is being read from whether its fence and lenses
// still stand, and ends the sessions of those that do not: what an operator
// opens to everybody by mistake is open to them for seconds, not until they
// leave. A store that does not answer ends its sessions by itself.
func (g *Gate) patrol(ctx context.Context) {
	g.mu.Lock()
	beats := make(map[beat][]*session)
	for _, s := range g.sessions {
		b := beat{s.store, s.grant.Dataset, s.grant.Lens, s.grant.Scope}
		beats[b] = append(beats[b], s)
	}
	g.mu.Unlock()
	state := g.register.State()
	for b, sessions := range beats {
		why := g.unfit(ctx, state, b)
		if why == nil {
			continue
		}
		g.log.Error("sessions are ended because their store is not as it must be", "dataset", b.dataset, "lens", b.lens, "sessions", len(sessions), "why", why.Message)
		for _, s := range sessions {
			s.end("store", why)
		}
	}
}

func (g *Gate) unfit(ctx context.Context, state *access.State, b beat) *fault.Error {
	ds, _, err := state.Dataset(b.dataset)
	if err != nil {
		return nil // then the change of rules has ended them
	}
	if _, err = b.store.Check(ctx, ds, b.lens, b.scope); err == nil {
		return nil
	}
	if why := fault.Public(err); why.Kind == fault.Conflict || why.Kind == fault.NotFound {
		return why
	}
	return nil
}
