package policy

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// maxInput bounds the canonical bytes of an Input. A real one has about 1 KiB.
const maxInput = 256 << 10

// Input is everything a decision knows. Its JSON has sorted keys, integers
// only, no white space, and lists sorted without doubles; see Canonical. A field
// added later must be omitted when empty, so that old records keep their bytes.
type Input struct {
	// Approvals that are in force, sorted by Seq; the requester's own and those
	// without a valid signature must already be left out.
	Approvals []Approval `json:"approvals"`
	// ApprovalsAll, ApprovalsOutside and ApprovalsOutsideInZone count approvers
	// (a person once): all, those outside the requester's hierarchy, and those of
	// them employed in the residents' countries by an employer seated there, whom
	// no regime reaches. Cedar cannot count; Counted fills them, Check recounts.
	ApprovalsAll           int `json:"approvalsAll"`
	ApprovalsOutside       int `json:"approvalsOutside"`
	ApprovalsOutsideInZone int `json:"approvalsOutsideInZone"`

	Countries Countries `json:"countries"`
	HasCase   bool      `json:"hasCase"`  // a case reference was given
	Lens      string    `json:"lens"`     // see Lenses
	Now       int64     `json:"now"`      // µs UTC
	OpenedAt  int64     `json:"openedAt"` // when the request was made, µs UTC, ≤ Now
	Principal Principal `json:"principal"`
	Purpose   string    `json:"purpose"`
	// Regimes are the law regimes that reach this access: the person's and those
	// in force at Now in any of Countries.
	Regimes     []string `json:"regimes"`
	ReleaseMode string   `json:"releaseMode"` // see ReleaseModes
	Resource    Resource `json:"resource"`
	Scope       string   `json:"scope"`    // case or bulk
	Subjects    int      `json:"subjects"` // people named: 1 to 1000 in case, 0 in bulk
}

// Principal is who asks.
type Principal struct {
	Department        string   `json:"department"`
	Employer          string   `json:"employer"`
	EmployerCountry   string   `json:"employerCountry"`
	EmploymentCountry string   `json:"employmentCountry"`
	Login             string   `json:"login"`
	Regimes           []string `json:"regimes"` // that reach the person wherever they are
	Roles             []string `json:"roles"`
}

// Resource is what is asked for.
type Resource struct {
	Adequate    []string `json:"adequate"`   // countries the zone's data may go to by decisions in force at Now
	Categories  []string `json:"categories"` // of the columns the lens would show
	Dataset     string   `json:"dataset"`
	Residents   []string `json:"residents"`   // countries whose residents' data the zone holds
	Site        string   `json:"site"`        // empty: all sites of the zone
	SiteCountry string   `json:"siteCountry"` // empty when Site is
	Zone        string   `json:"zone"`
}

// Countries are the countries that bear on an access. A rule sees them as one
// set and asks for all of them, so the most restrictive decides: an address
// inside the zone adds nothing to an employer outside it. ZZ (identity.Unknown)
// stands for an address in no configured range.
type Countries struct {
	Address    string `json:"address"` // empty for a request, which comes before any connection
	Device     string `json:"device"`  // empty when no device is bound
	Employer   string `json:"employer"`
	Employment string `json:"employment"`
}

// Approval is one person's signed consent to the request.
type Approval struct {
	By                string   `json:"by"` // login
	Department        string   `json:"department"`
	Employer          string   `json:"employer"`
	EmployerCountry   string   `json:"employerCountry"`
	EmploymentCountry string   `json:"employmentCountry"`
	OutsideHierarchy  bool     `json:"outsideHierarchy"` // of the requester
	Regimes           []string `json:"regimes"`          // that reach the approver
	Seq               uint64   `json:"seq"`              // of the approval's entry
}

// Lenses from most to least revealing, and Scopes likewise.
func Lenses() []string { return []string{"clear", "masked", "pseudonymous", "aggregate"} }

// Scopes from most to least revealing.
func Scopes() []string { return []string{"bulk", "case"} }

// ReleaseModes a dataset may demand before rows leave: the record durable, a
// cosignature over it, or re-decided by the overseer.
func ReleaseModes() []string { return []string{"recorded", "cosigned", "audited"} }

// Canonical is the input's canonical JSON: what is hashed and recorded.
func (in Input) Canonical() []byte {
	in = in.normal()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(in); err != nil {
		return nil // strings, integers and booleans always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// normal gives every list as [] rather than null, sorted sets as they are.
func (in Input) normal() Input {
	in.Approvals = slices.Clone(in.Approvals)
	for i := range in.Approvals {
		in.Approvals[i].Regimes = list(in.Approvals[i].Regimes)
	}
	if in.Approvals == nil {
		in.Approvals = []Approval{}
	}
	in.Regimes = list(in.Regimes)
	in.Principal.Regimes, in.Principal.Roles = list(in.Principal.Regimes), list(in.Principal.Roles)
	in.Resource.Adequate, in.Resource.Categories, in.Resource.Residents =
		list(in.Resource.Adequate), list(in.Resource.Categories), list(in.Resource.Residents)
	return in
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// ParseInput reads canonical bytes and refuses anything else: unknown, missing
// or doubled fields, another order, white space, or an input that Check refuses.
func ParseInput(src []byte) (Input, error) {
	if len(src) > maxInput {
		return Input{}, fault.New(fault.TooLarge, "the decision input has %d bytes; at most %d are read", len(src), maxInput)
	}
	var in Input
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Input{}, fault.New(fault.BadInput, "the decision input is not the JSON it should be: %w", err)
	}
	if !bytes.Equal(in.Canonical(), src) {
		return Input{}, fault.New(fault.BadInput, "the decision input is not canonical")
	}
	if err := in.Check(); err != nil {
		return Input{}, err
	}
	return in, nil
}

// Counted returns the input with its approval counts filled in.
func (in Input) Counted() Input {
	in.ApprovalsAll, in.ApprovalsOutside, in.ApprovalsOutsideInZone = in.count()
	return in
}

// count counts approvers. The requester never counts, nor a person twice; of a
// person's approvals the first is looked at.
func (in Input) count() (all, outside, inZone int) {
	for i, a := range in.Approvals {
		again := slices.ContainsFunc(in.Approvals[:i], func(b Approval) bool { return b.By == a.By })
		if a.By == in.Principal.Login || again {
			continue
		}
		all++
		if a.OutsideHierarchy {
			outside++
			if in.inZone(a) {
				inZone++
			}
		}
	}
	return all, outside, inZone
}

func (in Input) inZone(a Approval) bool {
	return slices.Contains(in.Resource.Residents, a.EmployerCountry) &&
		slices.Contains(in.Resource.Residents, a.EmploymentCountry) && len(a.Regimes) == 0
}
