package gate

import (
	"context"
	"slices"
	"time"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/lens"
)

// keysPatience bounds how long a request for access waits for stores that are away.
const keysPatience = 2 * time.Second

// Keys refuses a case, with a fault of kind BadInput, whose subjects can be no
// keys of the dataset. The first store of the sites (none: all) that answers
// says so; if none does, the case is taken, and its sessions find out.
func (g *Gate) Keys(ctx context.Context, ds *catalog.Dataset, sites []string, name string, subjects []string) error {
	ctx, cancel := context.WithTimeout(ctx, keysPatience)
	defer cancel()
	for _, site := range ds.Sites {
		store := g.stores[site.Store]
		if store == nil || len(sites) > 0 && !slices.Contains(sites, site.Name) {
			continue
		}
		err := store.Keys(ctx, ds, name, subjects)
		if err == nil || fault.Public(err).Kind == fault.BadInput {
			return err
		}
		g.log.Info("a store could not say what its keys are", "store", site.Store, "err", err)
	}
	return nil
}

// Keys implements Store.
func (p *PGStore) Keys(ctx context.Context, ds *catalog.Dataset, name string, subjects []string) error {
	compiled, err := p.compiled(ctx, ds, name, lens.Case)
	if err != nil {
		return p.away(err)
	}
	if _, err = compiled.Keys(subjects); err == nil {
		return nil
	}
	p.forget(ds) // the operator's tables may have changed since
	if compiled, err = p.compiled(ctx, ds, name, lens.Case); err != nil {
		return p.away(err)
	}
	_, err = compiled.Keys(subjects)
	return err
}
