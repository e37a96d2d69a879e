package gate

import (
	"context"
	"sync"

	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/lens"
)

// fixed is the role that the sessions of one grant of a service share at a
// store: made with the first, dropped with the last, under a new secret each time.
type fixed struct {
	key   fixedKey
	users int // sessions that use it or wait for it; guarded by the store's mutex

	mu             sync.Mutex // held while the role is made or dropped
	role, password string     // empty: there is none
}

// fixedKey tells roles apart. A lens that was applied anew has another digest.
type fixedKey struct {
	grant uint64
	lens  string
}

// openService opens one more session of a service's.
func (p *PGStore) openService(ctx context.Context, o Opening, compiled *lens.Compiled) (Seat, pggate.Upstream, error) {
	f, err := p.share(fixedKey{o.Grant, compiled.Digest}, o.Service)
	if err != nil {
		return Seat{}, pggate.Upstream{}, err
	}
	seat := Seat{fixed: f}
	if seat.Role, err = p.makeFixed(ctx, f, o, compiled); err != nil {
		_ = p.closeService(ctx, seat) // what stays is the sweep's
		return Seat{}, pggate.Upstream{}, err
	}
	up, pid, err := p.connect(ctx, f.role, f.password, o.Settings)
	seat.pid = pid
	return seat, up, p.away(err)
}

// share gives the role's place and counts who uses it.
func (p *PGStore) share(key fixedKey, service string) (*fixed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fixed[key]
	if f == nil {
		f = &fixed{key: key}
		p.fixed[key] = f
	}
	if f.users >= p.perService {
		return nil, fault.New(fault.TooMany, "service %s has %d sessions open, as many as it may", service, f.users).
			WithHint("close some, or the operator raises limits.per_service in trefoil.yaml")
	}
	f.users++
	return f, nil
}

// makeFixed makes the role unless it is there.
func (p *PGStore) makeFixed(ctx context.Context, f *fixed, o Opening, compiled *lens.Compiled) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.role != "" {
		return f.role, nil
	}
	// Until its name is known the sweep would take it for a leftover.
	p.making.Lock()
	defer p.making.Unlock()
	role, password, err := p.makeRole(ctx, o, compiled)
	if err != nil {
		return "", err
	}
	p.use(role, true)
	f.role, f.password = role, password
	return role, nil
}

// closeService ends one session of a service's, and the role with the last.
func (p *PGStore) closeService(ctx context.Context, seat Seat) error {
	f := seat.fixed
	p.mu.Lock()
	others := f.users > 1
	p.mu.Unlock()
	var err error
	if others && seat.pid != 0 { // the role's end ends all
		err = lens.LeaveService(ctx, p.pool, seat.Role, seat.pid)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !p.unshare(f, false) {
		return err
	}
	if f.role != "" {
		err = lens.CloseSession(ctx, p.pool, f.role)
		p.use(f.role, false) // what is left is the sweep's
		f.role, f.password = "", ""
	}
	p.unshare(f, true)
	return err
}

// unshare counts one user less and says whether that was the last; with gone, it
// forgets the place unless somebody has come to wait for it.
func (p *PGStore) unshare(f *fixed, gone bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if gone {
		if f.users == 0 {
			delete(p.fixed, f.key)
		}
		return true
	}
	f.users--
	return f.users == 0
}
