package policy

import (
	"slices"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

const (
	maxSubjects  = 1000           // a case holds no more people
	maxApprovals = 100            // far more than any rule asks for
	maxTime      = 253402300800e6 // year 10000, µs: beyond it a date has no ISO form
)

// nameForm is [a-z][a-z0-9_.-]{0,62}, by hand: it runs dozens of times in every
// decision.
func nameForm(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '_' && c != '.' && c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 63
}

func countryForm(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// Check holds the input against the schema: every field has its form, lists are
// sorted without doubles, counts are right, regimes of the person are among
// those of the access. The error is a fault.BadInput that names the field.
func (in Input) Check() error {
	c := &checker{}
	c.oneOf("lens", in.Lens, Lenses())
	c.oneOf("scope", in.Scope, Scopes())
	c.oneOf("releaseMode", in.ReleaseMode, ReleaseModes())
	c.name("purpose", in.Purpose)
	c.require(in.Now > 0 && in.Now < maxTime, "now must be microseconds since 1970")
	c.require(in.OpenedAt > 0 && in.OpenedAt <= in.Now, "openedAt must not lie after now")
	switch in.Scope {
	case "case":
		c.require(in.Subjects >= 1 && in.Subjects <= maxSubjects, "scope case needs 1 to 1000 subjects")
	case "bulk":
		c.require(in.Subjects == 0, "scope bulk names no subjects")
	}
	c.countries(in)
	p := in.Principal
	c.name("principal.login", p.Login)
	c.name("principal.department", p.Department)
	c.name("principal.employer", p.Employer)
	c.set("principal.roles", p.Roles, nameForm)
	c.set("principal.regimes", p.Regimes, nameForm)
	c.set("regimes", in.Regimes, nameForm)
	for _, r := range p.Regimes {
		c.require(slices.Contains(in.Regimes, r), "regimes must include the person's")
	}
	r := in.Resource
	c.name("resource.dataset", r.Dataset)
	c.name("resource.zone", r.Zone)
	c.set("resource.adequate", r.Adequate, countryForm)
	c.set("resource.categories", r.Categories, nameForm)
	c.set("resource.residents", r.Residents, countryForm)
	c.require((r.Site == "") == (r.SiteCountry == ""), "resource.site and resource.siteCountry belong together")
	if r.Site != "" {
		c.name("resource.site", r.Site)
		c.country("resource.siteCountry", r.SiteCountry)
	}
	c.approvals(in)
	return c.err
}

// checker keeps the first complaint.
type checker struct{ err error }

func (c *checker) require(ok bool, sentence string) { c.form(ok, "", sentence) }

// form is require about a field; it joins no strings unless it complains.
func (c *checker) form(ok bool, field, sentence string) {
	if !ok && c.err == nil {
		c.err = fault.New(fault.BadInput, "decision input: %s%s", field, sentence)
	}
}

func (c *checker) oneOf(field, v string, known []string) {
	c.form(slices.Contains(known, v), field, " has an unknown value")
}

func (c *checker) name(field, v string) {
	c.form(nameForm(v), field, " must be a lower-case name of at most 63 characters")
}

func (c *checker) country(field, v string) {
	c.form(countryForm(v), field, " must be a country code")
}

func (c *checker) set(field string, vs []string, form func(string) bool) {
	c.form(len(vs) <= maxSubjects, field, " is too long")
	for i, v := range vs {
		c.form(form(v), field, " has a malformed member")
		c.form(i == 0 || vs[i-1] < v, field, " must be sorted without doubles")
	}
}

func (c *checker) countries(in Input) {
	cs, p := in.Countries, in.Principal
	if cs.Address != "" {
		c.country("countries.address", cs.Address)
	}
	c.country("countries.employer", cs.Employer)
	c.country("countries.employment", cs.Employment)
	if cs.Device != "" {
		c.country("countries.device", cs.Device)
	}
	c.require(cs.Employer == p.EmployerCountry && cs.Employment == p.EmploymentCountry,
		"countries must repeat the principal's employer and employment")
}

func (c *checker) approvals(in Input) {
	c.require(len(in.Approvals) <= maxApprovals, "there are more than 100 approvals")
	for i, a := range in.Approvals {
		c.name("approvals.by", a.By)
		c.name("approvals.department", a.Department)
		c.name("approvals.employer", a.Employer)
		c.country("approvals.employerCountry", a.EmployerCountry)
		c.country("approvals.employmentCountry", a.EmploymentCountry)
		c.set("approvals.regimes", a.Regimes, nameForm)
		c.require(a.Seq < 1<<53, "approvals.seq is too large")
		c.require(i == 0 || in.Approvals[i-1].Seq < a.Seq, "approvals must be sorted by seq")
	}
	if c.err == nil {
		all, outside, inZone := in.count()
		c.require(all == in.ApprovalsAll && outside == in.ApprovalsOutside && inZone == in.ApprovalsOutsideInZone,
			"the approval counts do not fit the approvals")
	}
}
