package policy

import (
	"regexp"
	"slices"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// A duty is a code, with an argument after a colon where it needs one:
// "review-within:72h".
var dutyForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}(:[a-z0-9-]{1,63})?$`)

// Duties is a second set of rules: each permit that fits an allowed access adds
// its @duty. It can add a burden, never an access.
type Duties struct{ rules *Rules }

// ParseDuties reads a duties file: permits only, each with @id, @why and @duty.
// Limits and errors are those of Parse.
func ParseDuties(name string, src []byte) (*Duties, error) {
	r, err := parse(name, src, "id", "why", "duty")
	if err != nil {
		return nil, err
	}
	for _, rule := range r.rules {
		if rule.Forbids {
			return nil, r.fail(rule.Line, "rule %s forbids; a duties file has permits only", rule.ID)
		}
		if !dutyForm.MatchString(rule.duty) {
			return nil, r.fail(rule.Line, "rule %s needs a @duty such as \"notify-subject\" or \"review-within:72h\"", rule.ID)
		}
	}
	return &Duties{r}, nil
}

// Duties are the duties of an access, sorted without doubles. On an error there
// must be no access.
func (d *Duties) Duties(in Input) ([]string, error) {
	dec := d.rules.Decide(in)
	if len(dec.Errors) > 0 {
		return nil, fault.New(fault.Denied, "the duties of this access cannot be worked out (%s)", dec.Errors[0])
	}
	out := []string{}
	for _, rule := range d.rules.rules {
		if slices.Contains(dec.Reasons, rule.ID) {
			out = append(out, rule.duty)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Rules are the duties' rules, for their source, digest and sentences.
func (d *Duties) Rules() *Rules { return d.rules }

// Book is the rules and duties that are in force together.
type Book struct {
	Rules  *Rules
	Duties *Duties // nil: none
}

// Decide evaluates the rules and, when they allow, the duties. A duty that
// cannot be worked out denies.
func (b Book) Decide(in Input) Decision {
	d := b.Rules.Decide(in)
	if !d.Allow || b.Duties == nil {
		return d
	}
	duties, err := b.Duties.Duties(in)
	if err != nil {
		return Decision{Duties: []string{}, Errors: []string{DutiesError}, Reasons: []string{}}
	}
	d.Duties = duties
	return d
}
