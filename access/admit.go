package access

import (
	"context"
	"net/netip"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/policy"
	"github.com/trefoil-dev/trefoil/record"
)

// Attempt is a login that proved who it is.
type Attempt struct {
	Login    string
	Database string // DATASET or DATASET.SITE as sent
	Grant    uint64 // whose secret it knew
	Site     string // where it wants to go; empty if that is not clear
	From     netip.Addr
	Cert     string       // SHA-256 (hex) of the client certificate; empty: none was shown
	Lens     string       // digest of the lens as it is in the store
	Refuse   *fault.Error // a reason outside policy, found before; nil: none
}

// Admission is a login that was let in.
type Admission struct {
	Session uint64 // sequence of the session's entry
	Grant   Grant
	Request Request
	Until   int64 // µs UTC
	Duties  []string
	Rules   *Rules // by which it was decided
}

// Admit records the attempt, decides, and records the session or the refusal;
// it returns once that is durable. The error is a *fault.Error.
func (r *Register) Admit(ctx context.Context, a Attempt) (Admission, error) {
	r.mu.Lock()
	adm, last, refused, err := r.admit(a)
	r.mu.Unlock()
	if err == nil {
		err = r.log.Wait(ctx, last)
	}
	if err == nil && refused != nil {
		err = refused
	}
	return adm, err
}

func (r *Register) admit(a Attempt) (adm Admission, last uint64, refused, err error) {
	s := r.asOfNext()
	g := s.Grants[a.Grant]
	actor := record.Actor{Login: a.Login, Address: a.From.Unmap().String(), Certificate: a.Cert}
	if s.Rules != nil {
		actor.Country, _ = s.Rules.Facts.Countries.Lookup(a.From)
	}
	d, err := start(record.KindAttempt, record.Pending, g.Purpose, actor, record.Attempt{Grant: a.Grant, Database: a.Database})
	if err != nil {
		return adm, 0, nil, err
	}
	attempt, err := r.put(d, nil)
	if err != nil {
		return adm, 0, nil, err
	}
	s = r.asOfNext()
	body := record.Decision{N: s.N, Attempt: attempt.Seq, Grant: a.Grant, Request: g.Request, Site: a.Site, Engine: policy.Engine}
	if a.Refuse == nil && !a.From.IsValid() {
		a.Refuse = fault.New(fault.Denied, "the address this login comes from is unknown")
	}
	if a.Refuse != nil {
		refused, body.Why = a.Refuse, a.Refuse.Message
	} else if body, refused, err = s.admission(body, a, attempt.Time, r.lenses); err != nil {
		return adm, 0, nil, err
	}
	kind, outcome := record.KindSession, record.Allowed
	if refused != nil {
		kind, outcome = record.KindRefusal, record.Denied
	}
	if d, err = start(kind, outcome, g.Purpose, actor, body); err != nil {
		return adm, 0, nil, err
	}
	ref, err := r.put(d, nil)
	adm = Admission{Session: ref.Seq, Grant: g, Request: s.Requests[g.Request], Until: g.Until, Duties: body.Duties, Rules: s.Rules}
	return adm, ref.Seq, refused, err
}

// admission decides a login: pure, from the state and the attempt.
func (s *State) admission(body record.Decision, a Attempt, now int64, lenses []string) (record.Decision, error, error) {
	g, ok := s.Grants[a.Grant]
	if !ok || g.Holder() != a.Login || !g.InForce(now) {
		err := fault.New(fault.GrantEnded, "grant %s is not in force", record.ID('g', a.Grant)).WithHint("trefoil access request %s", g.Dataset)
		body.Why = err.Message
		return body, err, nil
	}
	req := s.Requests[g.Request]
	if g.Service != "" && s.Rules != nil {
		if err := s.owned(g.Service, g.Login); err != nil {
			body.Why = fault.Public(err).Message
			return body, err, nil
		}
	}
	in, err := s.Question(&req, a.Site, a.From, now)
	if err != nil {
		body.Why = fault.Public(err).Message
		return body, err, nil
	}
	v := s.Rules.Book.Decide(in)
	out := decision(body.N, in, v)
	out.Attempt, out.Grant, out.Request, out.Site, out.Lens = body.Attempt, body.Grant, body.Request, body.Site, a.Lens
	if !v.Allow {
		return out, s.Rules.Book.Rules.Explain(in, v, s.lenses(req.Dataset, lenses)).Fault(), nil
	}
	if err := unmet(v.Duties); err != nil {
		out.Allow, out.Why = false, fault.Public(err).Message
		return out, err, nil
	}
	out.Until = g.Until
	return out, nil, nil
}

// Still says whether a session that was admitted would be admitted now: its
// grant in force, and policy, by the rules of this state, still permitting it.
func (s *State) Still(a Attempt, now int64) *fault.Error {
	_, refused, err := s.admission(record.Decision{N: s.N}, a, now, nil)
	if refused == nil {
		refused = err
	}
	if refused == nil {
		return nil
	}
	f := *fault.Public(refused)
	f.Kind = fault.GrantEnded
	return &f
}
