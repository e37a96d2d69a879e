package policy

import (
	"iter"
	"slices"

	cedar "github.com/cedar-policy/cedar-go"
)

// Pseudo ids in Decision.Errors. No rule can have them: an id starts with a
// letter.
const (
	InputError  = "(input)"  // the input does not fit the schema
	EngineError = "(engine)" // the evaluator itself failed
	DutiesError = "(duties)" // a duty could not be worked out
)

// Decision is what the rules say. Lists are sorted and never nil, so equal
// decisions have equal JSON.
type Decision struct {
	Allow   bool     `json:"allow"`
	Duties  []string `json:"duties"`  // filled by Book.Decide when allowed
	Errors  []string `json:"errors"`  // ids of rules that failed to evaluate, or a pseudo id; any denies
	Reasons []string `json:"reasons"` // ids: the permits satisfied when allowed; otherwise the forbids, or none when no permit fits
}

// Decide evaluates the rules. It is pure: the same rules and input give the same
// decision, always. Any error denies.
func (r *Rules) Decide(in Input) (d Decision) {
	deny := func(id string) Decision {
		return Decision{Duties: []string{}, Errors: []string{id}, Reasons: []string{}}
	}
	if in.Check() != nil {
		return deny(InputError)
	}
	defer func() {
		if recover() != nil {
			d = deny(EngineError)
		}
	}()
	entities, req := r.request(in)
	allow, reasons, errs := r.evaluate(entities, req)
	return Decision{Allow: allow && len(errs) == 0, Duties: []string{}, Errors: errs, Reasons: reasons}
}

// evaluate runs the rules that the lens can reach, in the order of their ids.
func (r *Rules) evaluate(entities *slice, req cedar.Request) (allow bool, reasons, errs []string) {
	decision, diag := cedar.Authorize(index(r.byLens[lensOf(req)]), entities, req)
	reasons, errs = make([]string, len(diag.Reasons)), make([]string, len(diag.Errors))
	for i, x := range diag.Reasons {
		reasons[i] = string(x.PolicyID)
	}
	for i, x := range diag.Errors {
		errs[i] = string(x.PolicyID) // never the message: it differs between engines
	}
	slices.Sort(reasons)
	slices.Sort(errs)
	return decision == cedar.Allow, reasons, errs
}

func lensOf(req cedar.Request) string {
	for _, l := range Lenses() {
		if actionOf(l) == req.Action.ID {
			return l
		}
	}
	return ""
}

// index gives cedar-go the rules of one action in order; its own policy set
// iterates a map.
type index []*Rule

// All implements cedar.PolicyIterator.
func (x index) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, rule := range x {
			if !yield(cedar.PolicyID(rule.ID), rule.policy) {
				return
			}
		}
	}
}
