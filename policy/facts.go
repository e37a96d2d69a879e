package policy

import (
	"net/netip"
	"slices"

	"github.com/trefoil-dev/trefoil/identity"
)

// Facts are the published data that an Input is made from, as of one sequence
// number.
type Facts struct {
	Directory *identity.Directory
	Countries *identity.Countries
}

// Question is one access as its caller knows it; Facts.Input adds what is known
// about the people and countries in it.
type Question struct {
	Login       string
	Lens, Scope string
	Purpose     string
	HasCase     bool
	Subjects    int
	Dataset     string
	Zone        string
	Residents   []string // the zone's countries, any order
	Authorities []string // that speak for them now; "" among them: some have none
	Categories  []string // any order
	Site        string   // or empty, with SiteCountry
	SiteCountry string
	ReleaseMode string     // "" is recorded
	Address     netip.Addr // of the client; the zero Addr: there is none yet, as for a request
	Device      string     // country of the bound device, or empty
	Approvals   []Consent  // valid, in force, any order
	OpenedAt    int64      // µs UTC
	Now         int64      // µs UTC
}

// Consent is an approval in force: by whom, and the sequence of its entry.
type Consent struct {
	By  string
	Seq uint64
}

// Input completes a question. An approver who has left the directory does not
// count. The error is a fault: NotFound for a requester the directory does not
// have, BadInput for a question outside the schema.
func (f Facts) Input(q Question) (Input, error) {
	p, err := f.Directory.Person(q.Login)
	if err != nil {
		return Input{}, err
	}
	var address string
	if q.Address.IsValid() {
		address, _ = f.Countries.Lookup(q.Address)
	}
	in := Input{
		Countries: Countries{Address: address, Device: q.Device, Employer: p.Employer.Country, Employment: p.Country},
		HasCase:   q.HasCase, Lens: q.Lens, Now: q.Now, OpenedAt: q.OpenedAt,
		Principal: Principal{
			Department: p.Department, Employer: p.Employer.ID, EmployerCountry: p.Employer.Country,
			EmploymentCountry: p.Country, Login: p.Login, Regimes: f.regimes(p, q.Now), Roles: p.Roles,
		},
		Purpose: q.Purpose, ReleaseMode: q.ReleaseMode,
		Resource: Resource{
			Adequate: f.Countries.Adequate(q.Now, q.Zone, q.Authorities...), Categories: sorted(q.Categories), Dataset: q.Dataset,
			Residents: sorted(q.Residents), Site: q.Site, SiteCountry: q.SiteCountry, Zone: q.Zone,
		},
		Scope: q.Scope, Subjects: q.Subjects,
	}
	if in.ReleaseMode == "" {
		in.ReleaseMode = "recorded"
	}
	in.Regimes = sorted(in.Principal.Regimes, f.Countries.Regimes(q.Now, address, q.Device)...)
	for _, c := range q.Approvals {
		a, err := f.Directory.Person(c.By)
		if err != nil || c.By == q.Login {
			continue
		}
		in.Approvals = append(in.Approvals, Approval{
			By: a.Login, Department: a.Department, Employer: a.Employer.ID, EmployerCountry: a.Employer.Country,
			EmploymentCountry: a.Country, OutsideHierarchy: !f.Directory.InHierarchy(q.Login, a.Login),
			Regimes: f.regimes(a, q.Now), Seq: c.Seq,
		})
	}
	slices.SortFunc(in.Approvals, func(a, b Approval) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	in = in.normal().Counted()
	return in, in.Check()
}

// regimes are those that reach a person wherever they are: their own, their
// employer's, and those of both countries.
func (f Facts) regimes(p identity.Person, now int64) []string {
	own := slices.Concat(p.Regimes, p.Employer.Regimes)
	return sorted(own, f.Countries.Regimes(now, p.Country, p.Employer.Country)...)
}

// sorted is the union as a set.
func sorted(a []string, more ...string) []string {
	out := slices.Concat(a, more)
	slices.Sort(out)
	return list(slices.Compact(out))
}
