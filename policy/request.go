package policy

import (
	"strings"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// actionOf names the Cedar action of a lens: "masked" is readMasked.
func actionOf(lens string) types.String {
	if lens == "" {
		return ""
	}
	return types.String("read" + strings.ToUpper(lens[:1]) + lens[1:])
}

// slice is the few entities a request needs: no store, no look-ups.
type slice struct {
	person, dataset types.Entity
	action          types.Entity
}

// Get implements types.EntityGetter.
func (s *slice) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case s.person.UID:
		return s.person, true
	case s.dataset.UID:
		return s.dataset, true
	case s.action.UID:
		return s.action, true
	}
	return types.Entity{}, false
}

// request turns a checked input into Cedar's terms. Cedar's datetime counts
// milliseconds: now is rounded up and openedAt down, so that a time limit is
// never longer than written.
func (r *Rules) request(in Input) (*slice, cedar.Request) {
	p, d, c := in.Principal, in.Resource, in.Countries
	s := &slice{
		person: types.Entity{UID: types.NewEntityUID("Person", types.String(p.Login)), Attributes: types.NewRecord(types.RecordMap{
			"department":        types.String(p.Department),
			"employer":          types.String(p.Employer),
			"employerCountry":   types.String(p.EmployerCountry),
			"employmentCountry": types.String(p.EmploymentCountry),
			"login":             types.String(p.Login),
			"regimes":           stringSet(p.Regimes),
			"roles":             stringSet(p.Roles),
		})},
		dataset: types.Entity{UID: types.NewEntityUID("Dataset", types.String(d.Dataset)), Attributes: types.NewRecord(types.RecordMap{
			"adequate":    stringSet(d.Adequate, d.Residents...),
			"categories":  stringSet(d.Categories),
			"name":        types.String(d.Dataset),
			"residents":   stringSet(d.Residents),
			"site":        types.String(d.Site),
			"siteCountry": types.String(d.SiteCountry),
			"zone":        types.String(d.Zone),
		})},
		action: r.actions[actionOf(in.Lens)],
	}
	approvals := make([]types.Value, len(in.Approvals))
	for i, a := range in.Approvals {
		approvals[i] = types.NewRecord(types.RecordMap{
			"by":                types.String(a.By),
			"department":        types.String(a.Department),
			"employer":          types.String(a.Employer),
			"employerCountry":   types.String(a.EmployerCountry),
			"employmentCountry": types.String(a.EmploymentCountry),
			"outsideHierarchy":  types.Boolean(a.OutsideHierarchy),
		})
	}
	context := types.RecordMap{
		"addressCountry":         types.String(c.Address),
		"approvals":              types.NewSet(approvals...),
		"approvalsAll":           types.Long(in.ApprovalsAll),
		"approvalsOutside":       types.Long(in.ApprovalsOutside),
		"approvalsOutsideInZone": types.Long(in.ApprovalsOutsideInZone),
		"hasCase":                types.Boolean(in.HasCase),
		"now":                    types.NewDatetimeFromMillis((in.Now + 999) / 1000),
		"openedAt":               types.NewDatetimeFromMillis(in.OpenedAt / 1000),
		"purpose":                types.String(in.Purpose),
		"regimes":                stringSet(in.Regimes),
		"releaseMode":            types.String(in.ReleaseMode),
		"scope":                  types.String(in.Scope),
		"subjects":               types.Long(in.Subjects),
	}
	all := []string{c.Employer, c.Employment}
	if c.Address != "" {
		all = append(all, c.Address)
	}
	if c.Device != "" {
		all = append(all, c.Device)
		context["deviceCountry"] = types.String(c.Device)
	}
	context["countries"] = stringSet(all)
	return s, cedar.Request{Principal: s.person.UID, Action: s.action.UID, Resource: s.dataset.UID, Context: types.NewRecord(context)}
}

func stringSet(a []string, more ...string) types.Set {
	vs := make([]types.Value, 0, len(a)+len(more))
	for _, s := range a {
		vs = append(vs, types.String(s))
	}
	for _, s := range more {
		vs = append(vs, types.String(s))
	}
	return types.NewSet(vs...)
}
