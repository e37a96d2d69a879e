package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

func (a *API) request(r *http.Request, c caller) (any, error) {
	s, err := signed(r)
	if err != nil {
		return nil, err
	}
	out, err := a.Register.Request(r.Context(), c.actor(), s)
	return a.outcome(out), err
}

func (a *API) verdict(r *http.Request, c caller) (any, error) {
	s, err := signed(r)
	if err != nil {
		return nil, err
	}
	out, err := a.Register.Verdict(r.Context(), c.actor(), s)
	return a.outcome(out), err
}

func (a *API) secret(r *http.Request, c caller) (any, error) {
	s, err := signed(r)
	if err != nil {
		return nil, err
	}
	g, err := a.Register.Secret(r.Context(), c.actor(), s)
	if err != nil {
		return nil, err
	}
	return Secret{Grant: a.grant(g), Secret: a.Secret(g.Seq)}, nil
}

func (a *API) revoke(r *http.Request, c caller) (any, error) {
	seq, err := id('g', r.PathValue("id"))
	if err == nil {
		err = a.Register.Revoke(r.Context(), c.actor(), seq)
	}
	if err != nil {
		return nil, err
	}
	return a.grant(a.Register.State().Grants[seq]), nil
}

func signed(r *http.Request) (s access.Signed, err error) {
	b, err := decode[Signed](r)
	if err != nil {
		return s, err
	}
	s = access.Signed{Document: b.Document, Signature: b.Signature}
	for i := range b.Subjects {
		p, err := part(&b.Subjects[i])
		if err != nil {
			return s, err
		}
		s.Subjects = append(s.Subjects, *p)
	}
	if b.Reason != nil {
		s.Reason, err = part(b.Reason)
	}
	return s, err
}

func part(p *Part) (*record.Part, error) {
	out := &record.Part{Name: p.Name, Data: p.Data}
	if len(p.Salt) != len(out.Salt) {
		return nil, fault.New(fault.BadInput, "part %s has a salt of %d bytes, not %d", p.Name, len(p.Salt), len(out.Salt))
	}
	copy(out.Salt[:], p.Salt)
	return out, nil
}

func id(prefix byte, s string) (uint64, error) {
	seq, err := record.ParseID(prefix, s)
	if err != nil {
		return 0, fault.New(fault.BadInput, "%s", err)
	}
	return seq, nil
}

// maySee says which requests a caller is shown: an operator all; a person their
// own, those that are open, because anybody may be asked to approve, and those
// they approved. The others name colleagues and their cases, which are nobody
// else's business.
func (c caller) maySee(r *access.Request, now int64) bool {
	return c.uid != nil || r.Login == c.login || !r.Closed && !r.Lapsed(now) ||
		slices.ContainsFunc(r.Approvals, func(by access.Consent) bool { return by.Login == c.login })
}

func (a *API) requests(_ *http.Request, c caller) (any, error) {
	out := []Request{}
	now := a.Clock().UnixMicro()
	for _, r := range a.Register.State().Requests {
		if c.maySee(&r, now) {
			out = append(out, *a.asked(r))
		}
	}
	slices.SortFunc(out, func(x, y Request) int { return cmp.Compare(x.Entry, y.Entry) })
	return out, nil
}

func (a *API) showRequest(r *http.Request, c caller) (any, error) {
	seq, err := id('r', r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	s := a.Register.State()
	req, ok := s.Requests[seq]
	if !ok || !c.maySee(&req, a.Clock().UnixMicro()) {
		return nil, fault.New(fault.NotFound, "there is no open request %s, and none of yours", r.PathValue("id")).WithHint("trefoil access list")
	}
	out := a.asked(req)
	if c.mayOpen(s, &req) {
		out.Sealed, err = a.sealed(r.Context(), seq)
	}
	return out, err
}

// mayOpen says which callers who see a request are also shown what is sealed in
// it: its maker, and people outside their hierarchy, whose approval counts.
func (c caller) mayOpen(s *access.State, r *access.Request) bool {
	return c.uid != nil || r.Login == c.login || s.Rules != nil && !s.Rules.Facts.Directory.InHierarchy(r.Login, c.login)
}

func (a *API) sealed(ctx context.Context, seq uint64) (*Sealed, error) {
	if err := a.Log.Wait(ctx, seq); err != nil {
		return nil, err
	}
	e, err := a.Log.Read(seq)
	if err != nil {
		return nil, err
	}
	out := &Sealed{Keys: []string{}}
	for _, p := range e.Parts {
		switch {
		case p.Name == record.PartReason:
			out.Reason = string(p.Data)
		case strings.HasPrefix(p.Name, record.PartSubject):
			out.Keys = append(out.Keys, string(p.Data))
		}
	}
	return out, nil
}

// grants gives an operator all of them and a person their own.
func (a *API) grants(_ *http.Request, c caller) (any, error) {
	out := []Grant{}
	for _, g := range a.Register.State().Grants {
		if c.uid != nil || g.Login == c.login {
			out = append(out, a.grant(g))
		}
	}
	slices.SortFunc(out, func(x, y Grant) int { return cmp.Compare(x.Entry, y.Entry) })
	return out, nil
}

func (a *API) showGrant(r *http.Request, c caller) (any, error) {
	seq, err := id('g', r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	g, ok := a.Register.State().Grants[seq]
	if !ok || c.uid == nil && g.Login != c.login {
		return nil, fault.New(fault.NotFound, "there is no grant %s", r.PathValue("id")).WithHint("trefoil access list")
	}
	return a.grant(g), nil
}

func (a *API) outcome(o access.Outcome) *Outcome {
	out := &Outcome{Entry: o.Entry}
	if o.Request.Seq != 0 {
		out.Request = a.asked(o.Request)
	}
	if o.Grant != nil {
		g := a.grant(*o.Grant)
		out.Grant = &g
	}
	if o.Refusal != nil {
		out.Refusal = &Refusal{Message: o.Refusal.Message, Detail: o.Refusal.Detail, Hint: o.Refusal.Hint, Rule: o.Refusal.Rule}
	}
	return out
}

func (a *API) asked(r access.Request) *Request {
	out := &Request{ID: r.ID(), Entry: r.Seq, Login: r.Login, Service: r.Service, Dataset: r.Dataset, Sites: list(r.Sites), Lens: r.Lens, Scope: r.Scope,
		Purpose: r.Purpose, Case: r.Case, People: len(r.Subjects), Seconds: r.Seconds, Time: r.Time, Lapses: r.Lapses, Digest: r.Digest, Approvals: []string{}, State: "open"}
	for _, c := range r.Approvals {
		out.Approvals = append(out.Approvals, c.Login)
	}
	switch {
	case r.Grant != 0:
		out.State, out.Grant = "granted", record.ID('g', r.Grant)
	case r.Closed:
		out.State = "denied"
	case r.Lapsed(a.Clock().UnixMicro()):
		out.State = "lapsed"
	}
	return out
}

func (a *API) grant(g access.Grant) Grant {
	out := Grant{ID: g.ID(), Entry: g.Seq, Request: record.ID('r', g.Request), Login: g.Login, Service: g.Service, Dataset: g.Dataset, Sites: list(g.Sites),
		Lens: g.Lens, Scope: g.Scope, Purpose: g.Purpose, From: g.From, Until: g.Until, State: "in-force", Database: []string{}}
	switch {
	case g.Ended != 0:
		out.State = "revoked"
	case !g.InForce(a.Clock().UnixMicro()):
		out.State = "expired"
	}
	for _, site := range a.Reach(g) {
		out.Database = append(out.Database, g.Dataset+"."+site)
	}
	return out
}

// list makes nil an empty list, for JSON.
func list(s []string) []string { return append([]string{}, s...) }
