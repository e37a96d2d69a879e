package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/x/exp/eval"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Confidential is all that a refusal by a rule marked @confidential says.
const Confidential = "this access is refused by a rule that is not shown; ask the data protection office"

// Refusal is a denial in words, ready for a PostgreSQL error: Message, Detail
// and Hint. The other fields are the same for machines.
type Refusal struct {
	Message string   // one sentence, lower case, no full stop
	Detail  []string // the rule's sentence, the facts it read, what would unlock it
	Hint    string   // the next command, or empty

	Rule   string  // id of the first forbid; of the nearest permit when none fits; or empty
	Why    string  // its sentence
	Unlock *Unlock // what would permit the very access asked for; nil: nothing known here
	Best   *Option // the lens and scope to ask for instead, if possible without approvals and no wider; nil: none
}

// Fault is the refusal as an error for a client.
func (f Refusal) Fault() *fault.Error {
	return &fault.Error{Kind: fault.Denied, Message: f.Message, Detail: f.Detail, Hint: f.Hint}
}

// Explain says why d, the decision about in, denies: which rule, on which facts,
// what would unlock it, and what is permitted. available are the lenses that
// this release serves for the dataset; others are never proposed. It is as
// deterministic as Decide. An allowing decision gives the zero Refusal.
func (r *Rules) Explain(in Input, d Decision, available []string) (f Refusal) {
	if d.Allow {
		return Refusal{}
	}
	defer func() {
		if recover() != nil { // see Decide
			f = Refusal{Message: "the access is refused, and the reason could not be worked out"}
		}
	}()
	access := fmt.Sprintf("%s access to %s in scope %s", in.Lens, in.Resource.Dataset, in.Scope)
	if err := in.Check(); err != nil {
		return Refusal{Message: "the access is refused because the request does not fit the policy schema", Detail: []string{err.Error()}}
	}
	if r.anyConfidential(d) {
		return Refusal{Message: Confidential}
	}
	if len(d.Errors) > 0 {
		f.Message = fmt.Sprintf("%s is refused because %s could not be evaluated", access, strings.Join(d.Errors, ", "))
		f.Hint = "tell whoever publishes the rules; an error always denies"
		return f
	}
	entities, req := r.request(in)
	env := eval.Env{Entities: entities, Principal: req.Principal, Action: req.Action, Resource: req.Resource, Context: req.Context}
	if len(d.Reasons) > 0 {
		r.explainForbids(&f, access, in, d, env)
	} else {
		r.explainNearest(&f, access, in, env)
	}
	r.propose(&f, in, available)
	return f
}

func (r *Rules) anyConfidential(d Decision) bool {
	return slices.ContainsFunc(r.rules, func(rule *Rule) bool {
		return rule.Confidential && (slices.Contains(d.Reasons, rule.ID) || slices.Contains(d.Errors, rule.ID))
	})
}

func (r *Rules) rule(id string) *Rule {
	i, ok := slices.BinarySearchFunc(r.rules, id, func(rule *Rule, id string) int { return strings.Compare(rule.ID, id) })
	if !ok {
		return &Rule{ID: id, Why: "(not in these rules)"}
	}
	return r.rules[i]
}

// explainForbids tells each satisfied forbid with its sentence, and the facts
// they read between them.
func (r *Rules) explainForbids(f *Refusal, access string, in Input, d Decision, env eval.Env) {
	var read []path
	for i, id := range d.Reasons {
		rule := r.rule(id)
		if i == 0 {
			f.Rule, f.Why = rule.ID, rule.Why
			f.Message = fmt.Sprintf("%s is refused by rule %s", access, rule.ID)
			f.Detail = append(f.Detail, rule.Why)
		} else {
			f.Detail = append(f.Detail, fmt.Sprintf("rule %s refuses it too: %s", rule.ID, rule.Why))
		}
		if rule.policy == nil {
			continue
		}
		for _, n := range rule.conjuncts() {
			for _, p := range paths(n) {
				if !slices.Contains(read, p) {
					read = append(read, p)
				}
			}
		}
	}
	f.Detail = append(f.Detail, facts(in, read, env)...)
}

// maxNearest bounds how many permits a refusal compares itself with.
const maxNearest = 3

// explainNearest tells the permits that lack the fewest conditions, and which.
func (r *Rules) explainNearest(f *Refusal, access string, in Input, env eval.Env) {
	f.Message = fmt.Sprintf("no rule permits %s for purpose %s", access, in.Purpose)
	type near struct {
		rule  *Rule
		lacks []string
	}
	var nearest []near
	for _, rule := range r.rules {
		if rule.Forbids || rule.Confidential {
			continue
		}
		n := near{rule: rule}
		for _, c := range rule.conjuncts() {
			if !holds(c, env) {
				n.lacks = append(n.lacks, unmet(c, env))
			}
		}
		nearest = append(nearest, n)
	}
	slices.SortStableFunc(nearest, func(a, b near) int { return len(a.lacks) - len(b.lacks) })
	for i, n := range nearest {
		if i == maxNearest || len(n.lacks) > len(nearest[0].lacks) {
			break
		}
		words := "as near is"
		if i == 0 {
			words, f.Rule, f.Why = "nearest is", n.rule.ID, n.rule.Why
		}
		f.Detail = append(f.Detail, fmt.Sprintf("%s rule %s: %s", words, n.rule.ID, n.rule.Why),
			"it also needs: "+strings.Join(n.lacks, "; "))
	}
	if in.Countries.Address != "" {
		f.Detail = append(f.Detail, in.Countries.words())
	}
}

// words shows the countries of an access for a person.
func (c Countries) words() string {
	s := fmt.Sprintf("countries: employer %s, employment %s", c.Employer, c.Employment)
	if c.Address != "" {
		s += ", address " + c.Address
	}
	if c.Device != "" {
		s += ", device " + c.Device
	}
	return s
}

// label words an attribute that rules read. One without a label is shown by
// its Cedar name.
func label(p path) string {
	switch p.String() {
	case "context.addressCountry":
		return "country of the address"
	case "context.approvalsAll":
		return "approvals"
	case "context.approvalsOutside":
		return "approvals from outside the hierarchy"
	case "context.approvalsOutsideInZone":
		return "approvals from outside the hierarchy, by people employed inside the zone"
	case "context.deviceCountry":
		return "country of the device"
	case "context.hasCase":
		return "case reference given"
	case "context.now":
		return "time"
	case "context.openedAt":
		return "requested at"
	case "context.purpose":
		return "purpose"
	case "context.regimes":
		return "law regimes that reach this access"
	case "context.releaseMode":
		return "release"
	case "context.scope":
		return "scope"
	case "context.subjects":
		return "people named"
	case "principal.department":
		return "department"
	case "principal.roles":
		return "roles"
	case "resource.adequate":
		return "countries the data may go to"
	case "resource.categories":
		return "categories"
	case "resource.residents":
		return "countries of the residents"
	}
	return p.String()
}

// facts are the values that rules read, one a line, with the people and
// countries behind a count or a regime.
func facts(in Input, read []path, env eval.Env) []string {
	var out []string
	approvals, countries := false, false
	for _, p := range read {
		approvals = approvals || strings.HasPrefix(string(p.attr), "approvals")
		countries = countries || p.attr == "regimes" || p.attr == "countries"
		if p.attr == "approvals" || p.attr == "countries" {
			continue // told in full below
		}
		if v, err := p.value(env); err == nil {
			out = append(out, label(p)+": "+plain(v))
		}
	}
	if approvals {
		for _, a := range in.Approvals {
			out = append(out, "approval by "+a.By+" ("+a.Department+"): "+in.standing(a))
		}
	}
	if countries {
		out = append(out, in.Countries.words())
	}
	return out
}

// standing words how far an approval counts.
func (in Input) standing(a Approval) string {
	switch {
	case a.By == in.Principal.Login:
		return "the requester's own, does not count"
	case !a.OutsideHierarchy:
		return "within " + in.Principal.Login + "'s hierarchy"
	case !in.inZone(a):
		return "outside the hierarchy, not employed inside the zone or reached by a law regime"
	}
	return "outside the hierarchy, inside the zone"
}
