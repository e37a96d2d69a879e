package gate

import (
	"context"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// Open implements pggate.Desk: attempt, decision and session are durable before
// anything is opened on the store.
func (g *Gate) Open(ctx context.Context, l pggate.Login) (pggate.Session, error) {
	t := parseTarget(l.User, l.Database)
	state := g.register.State()
	a := access.Attempt{Login: t.login, Database: clip(l.Database), Grant: l.Grant, From: l.Remote.Addr().Unmap(), Cert: l.Certificate}
	grant, site, refuse := t.choose(state, g.stores, l.Grant, g.now())
	a.Site, a.Refuse = site, refuse
	if a.Grant == 0 { // a certificate proved the login, its target names the grant
		a.Grant = grant.Seq
	}
	var store Store
	if refuse == nil {
		var err error
		if store, a.Lens, err = g.check(ctx, state, grant, site); err != nil {
			a.Refuse = fault.Public(err)
			g.log.Warn("a login found its store unfit", "site", site, "err", err, "cause", a.Refuse.Cause)
		}
	}
	adm, err := g.register.Admit(ctx, a)
	if err != nil {
		return nil, err
	}
	s := newSession(g, adm, a, store)
	if err := s.open(ctx, adm, l.Options); err != nil {
		why := fault.Public(err)
		g.log.Warn("a session could not be opened", "session", record.ID('s', s.id), "err", err, "cause", why.Cause)
		s.Close(pggate.Summary{Why: why})
		return nil, err
	}
	return s, nil
}

// check finds the store of a site and asks whether it is fit to be read from.
func (g *Gate) check(ctx context.Context, s *access.State, grant access.Grant, site string) (Store, string, error) {
	ds, zone, err := s.Dataset(grant.Dataset)
	if err != nil {
		return nil, "", err
	}
	at := zone.Site(site)
	store := g.stores[at.Store]
	if store == nil {
		return nil, "", fault.New(fault.StoreAway, "this gate has no store %q for site %s", at.Store, site).
			WithHint("the operator adds it under stores: in trefoil.yaml")
	}
	digest, err := store.Check(ctx, ds, grant.Lens, grant.Scope)
	return store, digest, err
}

// open makes the session's role, or finds its service's, and connects as it.
func (s *session) open(ctx context.Context, adm access.Admission, settings []pggate.Setting) error {
	subjects, err := s.gate.subjects(adm)
	if err != nil {
		return err
	}
	s.seat, s.up, err = s.store.Open(ctx, Opening{
		Session: adm.Session, Service: adm.Grant.Service, Dataset: adm.Rules.Catalog.Dataset(adm.Grant.Dataset), Lens: adm.Grant.Lens, Scope: adm.Grant.Scope,
		Grant: adm.Grant.Seq, Subjects: subjects, Pad: s.gate.seed.Pad(adm.Grant.Seq), Settings: settings,
	})
	if err != nil {
		return err
	}
	s.timer = time.AfterFunc(time.Duration(adm.Until-s.gate.now())*time.Microsecond, s.expire)
	return s.gate.enter(s)
}

// enter makes the session one that Recheck sees, and catches what changed while
// it was being opened.
func (g *Gate) enter(s *session) error {
	g.mu.Lock()
	g.sessions[s.id] = s
	g.mu.Unlock()
	state := g.register.State()
	if err := state.Still(s.attempt, g.now()); err != nil {
		s.end("revoked", err)
		return err
	}
	return nil
}

// subjects reads the keys of a case's people from the request's own entry.
func (g *Gate) subjects(adm access.Admission) ([]string, error) {
	if len(adm.Request.Subjects) == 0 {
		return nil, nil
	}
	e, err := g.read(adm.Request.Seq)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, p := range e.Parts {
		if strings.HasPrefix(p.Name, record.PartSubject) {
			keys = append(keys, string(p.Data))
		}
	}
	if len(keys) < len(adm.Request.Subjects) {
		return nil, fault.New(fault.GrantEnded, "a person of this case has been erased").WithHint("make a new request: trefoil access request %s", adm.Grant.Dataset)
	}
	return keys, nil
}

// clip bounds what a client chose before it is recorded.
func clip(s string) string { return s[:min(len(s), 128)] }
