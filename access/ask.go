package access

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/policy"
	"github.com/trefoil-dev/trefoil/record"
)

var noAddr netip.Addr // a request is about a person, not yet about a place

// Request takes a signed request: it is recorded, as the attempt it is, then
// decided, then the outcome is recorded. A refusal is an Outcome, not an error.
func (r *Register) Request(ctx context.Context, actor record.Actor, signed Signed) (Outcome, error) {
	if err := r.checkKeys(ctx, signed); err != nil {
		return Outcome{}, err
	}
	r.mu.Lock()
	out, err := r.request(actor, signed)
	r.mu.Unlock()
	if err == nil {
		err = r.log.Wait(ctx, out.Entry)
	}
	return out, err
}

// checkKeys asks the stores, without the lock because they may be slow, whether
// the people of a case could be theirs. It does so for the enrolled alone.
func (r *Register) checkKeys(ctx context.Context, signed Signed) error {
	s := r.state.Load()
	var doc record.SignedRequest
	if r.keys == nil || len(signed.Subjects) == 0 {
		return nil
	}
	if _, err := open(s, signed, record.RequestNamespace, &doc, &doc.Login); err != nil {
		return err
	}
	if committed(doc.Subjects, signed.Subjects, doc.Reason, signed.Reason) != nil || s.checkRequest(&doc) != nil {
		return nil // request says so, in its order
	}
	ds, _, err := s.Dataset(doc.Dataset)
	if err != nil {
		return err
	}
	var subjects []string
	for i := range signed.Subjects {
		subjects = append(subjects, string(signed.Subjects[i].Data))
	}
	return r.keys(ctx, ds, doc.Sites, doc.Lens, subjects)
}

func (r *Register) request(actor record.Actor, signed Signed) (Outcome, error) {
	s := r.state.Load()
	var doc record.SignedRequest
	key, err := open(s, signed, record.RequestNamespace, &doc, &doc.Login)
	if err != nil {
		return Outcome{}, err
	}
	digest, err := r.fresh(doc.Origin, doc.Time, signed.Document, s.seen)
	if err != nil {
		return Outcome{}, err
	}
	if err := committed(doc.Subjects, signed.Subjects, doc.Reason, signed.Reason); err != nil {
		return Outcome{}, err
	}
	if err := s.checkRequest(&doc); err != nil {
		return Outcome{}, err
	}
	actor.Login = doc.Login
	d, err := start(record.KindRequest, record.Pending, doc.Purpose, actor, record.Request{SignedRequest: doc, Digest: digest, Fingerprint: key.Fingerprint})
	if err != nil {
		return Outcome{}, err
	}
	addSigned(d, signed)
	ref, err := r.put(d, nil)
	if err != nil {
		return Outcome{}, err
	}
	return r.decide(ref.Seq, ref.Time)
}

// noSite says where a dataset is, or in which zone the site.
func (s *State) noSite(ds *catalog.Dataset, site string) error {
	if z := s.Rules.Catalog.ZoneOf(site); z != nil && z.Name != s.Zone && s.Zone != "" {
		return fault.New(fault.BadInput, "site %s lies in zone %s; this is zone %s", site, z.Name, s.Zone).
			WithHint("ask for access at zone %s, whose gate, rules and log are others", z.Name)
	}
	var sites []string
	for _, at := range ds.Sites {
		sites = append(sites, at.Name)
	}
	return fault.New(fault.BadInput, "dataset %s is not at a site %q", ds.Name, site).WithHint("its sites are %s", strings.Join(sites, ", "))
}

// checkRequest refuses what could never be decided, with the way to say it right.
func (s *State) checkRequest(doc *record.SignedRequest) error {
	ds, _, err := s.Dataset(doc.Dataset)
	if err != nil {
		return err
	}
	for i, site := range doc.Sites {
		if slices.Contains(doc.Sites[:i], site) {
			return fault.New(fault.BadInput, "site %s is named twice", site).WithHint("name each site once")
		}
		if ds.Site(site) == nil {
			return s.noSite(ds, site)
		}
	}
	if doc.Service != "" {
		if err := s.owned(doc.Service, doc.Login); err != nil {
			return err
		}
	}
	switch {
	case doc.Format != record.RequestFormat:
		return fault.New(fault.BadInput, "the document's format is %q, not %q", doc.Format, record.RequestFormat)
	case !slices.Contains(policy.Lenses(), doc.Lens):
		return fault.New(fault.BadInput, "there is no lens %q", doc.Lens).WithHint("lenses are %s", strings.Join(policy.Lenses(), ", "))
	case doc.Scope != "case" && doc.Scope != "bulk":
		return fault.New(fault.BadInput, "there is no scope %q: it is case or bulk", doc.Scope)
	case doc.Scope == "case" && len(doc.Subjects) == 0:
		return fault.New(fault.BadInput, "scope case needs the people it is about").WithHint("name each by key: --subject 1001")
	case doc.Scope == "bulk" && len(doc.Subjects) > 0:
		return fault.New(fault.BadInput, "scope bulk names nobody").WithHint("leave out --subject, or ask for --scope case")
	case len(doc.Subjects) > MaxSubjects:
		return fault.New(fault.TooLarge, "a case names at most %d people", MaxSubjects)
	case !slices.Contains(s.Rules.Catalog.Purposes, doc.Purpose):
		return fault.New(fault.BadInput, "no purpose %q is declared in the rules", doc.Purpose).WithHint("purposes are %s", strings.Join(s.Rules.Catalog.Purposes, ", "))
	case len(doc.Case) > 64 || !plainText(doc.Case) || strings.ContainsAny(doc.Case, "\t\r\n"):
		return fault.New(fault.BadInput, "the case reference is longer than 64 bytes or not one line of plain text")
	case doc.Seconds <= 0 || doc.Seconds > int64(maxGrant/time.Second):
		return fault.New(fault.BadInput, "a grant lasts from one second to %d days", maxGrant/(24*time.Hour))
	}
	return nil
}

// owned refuses a service that does not exist or that another person answers for.
func (s *State) owned(service, login string) error {
	if is, ok := s.Rules.Facts.Directory.Service(service); !ok || is.Owner != login {
		return fault.New(fault.Denied, "%s does not answer for a service %q", login, service).
			WithHint("the operator names services and their owners in the directory: trefoil publish")
	}
	return nil
}

// Verdict takes a signed approval, denial or revocation. An approval is decided
// at once; a denial closes the request.
func (r *Register) Verdict(ctx context.Context, actor record.Actor, signed Signed) (Outcome, error) {
	r.mu.Lock()
	out, err := r.verdict(actor, signed)
	r.mu.Unlock()
	if err == nil {
		err = r.log.Wait(ctx, out.Entry)
	}
	return out, err
}

func (r *Register) verdict(actor record.Actor, signed Signed) (Outcome, error) {
	s := r.state.Load()
	var doc record.SignedApproval
	key, err := open(s, signed, record.ApprovalNamespace, &doc, &doc.Login)
	if err != nil {
		return Outcome{}, err
	}
	if _, err := r.fresh(doc.Origin, doc.Time, signed.Document, nil); err != nil {
		return Outcome{}, err
	}
	if err := committed(nil, signed.Subjects, doc.Reason, signed.Reason); err != nil {
		return Outcome{}, err
	}
	actor.Login = doc.Login
	if doc.Verdict == "revoke" && doc.Format == record.ApprovalFormat {
		ref, err := r.revoke(actor, doc.Object, key.Fingerprint, &signed)
		return Outcome{Entry: ref.Seq}, err
	}
	req, ok := s.Requests[doc.Object]
	switch {
	case doc.Format != record.ApprovalFormat || doc.Verdict != "approve" && doc.Verdict != "deny":
		return Outcome{}, fault.New(fault.BadInput, "the document is no approval, denial or revocation")
	case !ok || req.Digest != doc.Digest:
		return Outcome{}, fault.New(fault.NotFound, "there is no such request").WithHint("trefoil access list shows the open ones")
	case req.Closed:
		return Outcome{}, fault.New(fault.Conflict, "request %s is closed", req.ID()).WithHint("trefoil access show %s", req.ID())
	case req.Lapsed(r.clock().UnixMicro()):
		return Outcome{}, req.lapsed()
	case doc.Login == req.Login && doc.Verdict == "approve":
		return Outcome{}, fault.New(fault.Denied, "nobody approves their own request")
	case doc.Verdict == "approve" && slices.ContainsFunc(req.Approvals, func(c Consent) bool { return c.Login == doc.Login }):
		return Outcome{}, fault.New(fault.Conflict, "%s has approved this already", doc.Login)
	}
	kind, outcome := record.KindApproval, record.Allowed
	if doc.Verdict == "deny" {
		kind, outcome = record.KindDenial, record.Denied
	}
	d, err := start(kind, outcome, req.Purpose, actor, record.Approval{SignedApproval: doc, Fingerprint: key.Fingerprint})
	if err != nil {
		return Outcome{}, err
	}
	addSigned(d, signed)
	ref, err := r.put(d, nil)
	if err != nil || doc.Verdict == "deny" {
		return Outcome{Request: r.state.Load().Requests[req.Seq], Entry: ref.Seq}, err
	}
	return r.decide(req.Seq, ref.Time)
}

// Revoke ends a grant on the operator's word.
func (r *Register) Revoke(ctx context.Context, actor record.Actor, grant uint64) error {
	r.mu.Lock()
	ref, err := r.revoke(actor, grant, "", nil)
	r.mu.Unlock()
	if err == nil {
		err = r.log.Wait(ctx, ref.Seq)
	}
	return err
}

// revoke ends a grant. Anybody enrolled may: it only ever takes access away,
// and the entry says who did.
func (r *Register) revoke(actor record.Actor, grant uint64, fingerprint string, signed *Signed) (record.Ref, error) {
	g, ok := r.state.Load().Grants[grant]
	switch {
	case !ok:
		return record.Ref{}, fault.New(fault.NotFound, "there is no grant %s", record.ID('g', grant)).WithHint("trefoil access list shows those in force")
	case !g.InForce(r.clock().UnixMicro()):
		return record.Ref{}, fault.New(fault.Conflict, "grant %s has ended already", g.ID())
	}
	d, err := start(record.KindRevocation, record.None, g.Purpose, actor, record.Revocation{Grant: grant, Fingerprint: fingerprint})
	if err != nil {
		return record.Ref{}, err
	}
	if signed != nil {
		addSigned(d, *signed)
	}
	return r.put(d, nil)
}

// Secret checks that it is the holder who asks for a grant's secret, and
// records that it is about to be shown.
func (r *Register) Secret(ctx context.Context, actor record.Actor, signed Signed) (Grant, error) {
	s := r.state.Load()
	var doc record.SignedSecret
	key, err := open(s, signed, record.SecretNamespace, &doc, &doc.Login)
	if err != nil {
		return Grant{}, err
	}
	if _, err := r.fresh(doc.Origin, doc.Time, signed.Document, nil); err != nil {
		return Grant{}, err
	}
	g, ok := s.Grants[doc.Grant]
	if !ok || g.Login != doc.Login || doc.Format != record.SecretFormat || !g.InForce(r.clock().UnixMicro()) {
		return Grant{}, fault.New(fault.NotFound, "%s holds no grant %s that is in force", doc.Login, record.ID('g', doc.Grant)).WithHint("trefoil access list --mine")
	}
	actor.Login = doc.Login
	d, err := start(record.KindSecret, record.None, g.Purpose, actor, record.Secret{Grant: g.Seq, Fingerprint: key.Fingerprint})
	if err != nil {
		return Grant{}, err
	}
	ref, err := r.log.Append(d)
	if err == nil {
		err = r.log.Wait(ctx, ref.Seq)
	}
	return g, err
}
