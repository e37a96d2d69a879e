package access

import (
	"net/netip"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/policy"
)

// errNoRules says that nothing can be decided yet.
func errNoRules() *fault.Error {
	return fault.New(fault.Denied, "no rules are in force yet").WithHint("the operator publishes them: trefoil publish")
}

// Dataset finds a dataset of our zone in the rules in force.
func (s *State) Dataset(name string) (*catalog.Dataset, *catalog.Zone, error) {
	if s.Rules == nil {
		return nil, nil, errNoRules()
	}
	ds := s.Rules.Catalog.Dataset(name)
	if ds != nil && s.Zone != "" && ds.Zone.Name != s.Zone {
		return nil, nil, fault.New(fault.NotFound, "dataset %s lies in zone %s; this is zone %s", name, ds.Zone.Name, s.Zone).
			WithHint("ask the gate of zone %s", ds.Zone.Name)
	}
	if ds == nil {
		var names []string
		for _, ds := range s.Rules.Catalog.Datasets {
			if s.Zone == "" || ds.Zone.Name == s.Zone {
				names = append(names, ds.Name)
			}
		}
		hint := "this zone has none"
		if len(names) > 0 {
			hint = "datasets are " + strings.Join(names, ", ")
		}
		return nil, nil, fault.New(fault.NotFound, "there is no dataset %q", name).WithHint("%s", hint)
	}
	return ds, ds.Zone, nil
}

// Question asks about a request: may its maker have what they ask for, at a
// site (or all: empty), from an address (or an unknown one), now. It is a pure
// function of the state, so an auditor asks the same.
func (s *State) Question(r *Request, site string, from netip.Addr, now int64) (policy.Input, error) {
	ds, zone, err := s.Dataset(r.Dataset)
	if err != nil {
		return policy.Input{}, err
	}
	q := policy.Question{
		Login: r.Login, Lens: r.Lens, Scope: r.Scope, Purpose: r.Purpose,
		HasCase: r.Case != "", Subjects: len(r.Subjects),
		Dataset: ds.Name, Zone: zone.Name, Residents: zone.Residents, Authorities: zone.AuthoritiesAt(now),
		Site: site, Address: from, OpenedAt: r.Time, Now: now,
	}
	for _, c := range ds.Categories() {
		q.Categories = append(q.Categories, string(c))
	}
	if site != "" {
		at := ds.Site(site)
		if at == nil {
			return policy.Input{}, fault.New(fault.NotFound, "dataset %s is not at site %q any more", ds.Name, site).WithHint("trefoil access list shows your grants")
		}
		q.SiteCountry = at.Country
	}
	for _, c := range r.Approvals {
		q.Approvals = append(q.Approvals, policy.Consent{By: c.Login, Seq: c.Seq})
	}
	return s.Rules.Facts.Input(q)
}
