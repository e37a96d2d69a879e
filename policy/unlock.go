package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/identity"
)

// Kinds of approver that an Unlock can ask for, from the weakest.
const (
	Anybody       = "anybody"
	Outside       = "outside"         // the requester's hierarchy
	OutsideInZone = "outside-in-zone" // and employed inside the zone
)

// Unlock is what an access still needs. The zero Unlock is nothing.
type Unlock struct {
	Case      bool   // a case reference
	Approvals int    // how many more
	By        string // a kind of approver, when Approvals > 0
}

// Option is a lens and scope, with what it still needs.
type Option struct {
	Lens, Scope string
	Needs       Unlock
}

// unlocks are the steps that are tried, from the least effort. The first is none.
func unlocks(in Input) []Unlock {
	us := []Unlock{{}}
	for n := 1; n <= 2; n++ {
		for _, by := range []string{Anybody, Outside, OutsideInZone} {
			us = append(us, Unlock{Approvals: n, By: by})
		}
	}
	if in.HasCase {
		return us
	}
	for _, u := range slices.Clone(us) {
		u.Case = true
		us = append(us, u)
	}
	effort := func(u Unlock) int {
		if u.Case {
			return u.Approvals + 1
		}
		return u.Approvals
	}
	slices.SortStableFunc(us, func(a, b Unlock) int { return effort(a) - effort(b) })
	return us
}

// with is the input as it would be after the step.
func (u Unlock) with(in Input) Input {
	in.HasCase = in.HasCase || u.Case
	in.Approvals = slices.Clone(in.Approvals)
	for i := range u.Approvals {
		a := Approval{
			By: fmt.Sprintf("somebody.else-%d", i+1), Department: "other", Employer: "other",
			EmployerCountry: identity.Unknown, EmploymentCountry: identity.Unknown,
			OutsideHierarchy: u.By != Anybody, Regimes: []string{},
		}
		if u.By == OutsideInZone && len(in.Resource.Residents) > 0 {
			a.EmployerCountry, a.EmploymentCountry = in.Resource.Residents[0], in.Resource.Residents[0]
		}
		if n := len(in.Approvals); n > 0 {
			a.Seq = in.Approvals[n-1].Seq + 1
		}
		in.Approvals = append(in.Approvals, a)
	}
	return in.Counted()
}

// needs gives the least step that permits the input, if one of those tried does.
func (r *Rules) needs(in Input) (Unlock, bool) {
	for _, u := range unlocks(in) {
		if r.Decide(u.with(in)).Allow {
			return u, true
		}
	}
	return Unlock{}, false
}

// as is the input for another lens and scope, all else equal. A case asked in
// place of bulk is tried with one person.
func (in Input) as(lens, scope string) Input {
	in.Lens = lens
	if scope != in.Scope {
		in.Scope, in.Subjects = scope, 0
		if scope == "case" {
			in.Subjects = 1
		}
	}
	return in
}

// best is the most revealing permitted option: what is permitted now before
// what needs a step, then by lens, then bulk before case.
func (r *Rules) best(in Input, available []string) *Option {
	var later *Option
	for _, lens := range Lenses() {
		for _, scope := range Scopes() {
			if !slices.Contains(available, lens) || lens == in.Lens && scope == in.Scope {
				continue
			}
			u, ok := r.needs(in.as(lens, scope))
			if ok && u == (Unlock{}) {
				return &Option{Lens: lens, Scope: scope}
			}
			if ok && later == nil {
				later = &Option{Lens: lens, Scope: scope, Needs: u}
			}
		}
	}
	return later
}

// propose adds what would unlock the access and what is permitted instead.
func (r *Rules) propose(f *Refusal, in Input, available []string) {
	if slices.Contains(available, in.Lens) {
		if u, ok := r.needs(in); ok {
			f.Unlock = &u
			f.Detail = append(f.Detail, "it would be permitted with "+u.words(in))
		}
	}
	f.Best = r.best(in, available)
	switch {
	case f.Best == nil && f.Unlock == nil:
		f.Detail = append(f.Detail, "no other lens or scope is permitted to "+in.Principal.Login+" for purpose "+in.Purpose)
	case f.Best != nil && f.Best.Needs == (Unlock{}):
		f.Detail = append(f.Detail, fmt.Sprintf("permitted now: %s in scope %s", f.Best.Lens, f.Best.Scope))
		f.Hint = command(in, f.Best.Lens, f.Best.Scope)
	case f.Best != nil:
		f.Detail = append(f.Detail, fmt.Sprintf("%s in scope %s would be permitted with %s", f.Best.Lens, f.Best.Scope, f.Best.Needs.words(in)))
		f.Hint = command(in, f.Best.Lens, f.Best.Scope)
	}
	if f.Unlock != nil && (f.Best == nil || f.Best.Needs != (Unlock{})) {
		f.Hint = command(in, in.Lens, in.Scope)
		if !f.Unlock.Case {
			f.Hint = "the approver runs: trefoil access approve REQUEST"
		}
	}
}

func (u Unlock) words(in Input) string {
	var parts []string
	if u.Case {
		parts = append(parts, "a case reference")
	}
	who := map[string]string{
		Anybody:       "somebody else",
		Outside:       "somebody outside " + in.Principal.Login + "'s hierarchy",
		OutsideInZone: "somebody outside " + in.Principal.Login + "'s hierarchy who is employed inside zone " + in.Resource.Zone,
	}[u.By]
	switch {
	case u.Approvals == 1:
		parts = append(parts, "one more approval, by "+who)
	case u.Approvals > 1:
		parts = append(parts, fmt.Sprintf("%d more approvals, each by %s", u.Approvals, who))
	}
	return strings.Join(parts, " and ")
}

// command is how to ask for a lens and scope. Capitals stand for what only the
// requester knows.
func command(in Input, lens, scope string) string {
	s := fmt.Sprintf("trefoil access request %s --lens %s --scope %s --purpose %s", in.Resource.Dataset, lens, scope, in.Purpose)
	if scope == "case" {
		s += " --case CASE --subject KEY"
	}
	return s
}
