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

// anew is the input as another request would begin: without these approvals.
func (in Input) anew() Input {
	in.Approvals, in.OpenedAt = []Approval{}, in.Now
	return in.Counted()
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

// options are the other lenses and scopes that are or could be permitted to who
// asks for them, the most revealing first.
func (r *Rules) options(in Input, available []string) (os []Option) {
	for _, lens := range Lenses() {
		for _, scope := range Scopes() {
			if !slices.Contains(available, lens) || lens == in.Lens && scope == in.Scope {
				continue
			}
			if u, ok := r.needs(in.anew().as(lens, scope)); ok {
				os = append(os, Option{Lens: lens, Scope: scope, Needs: u})
			}
		}
	}
	return os
}

// detour is how far an option is from what one who was refused lens should do
// next: first what waits for nobody, then no wider a lens, then what is
// permitted as it stands.
func (o Option) detour(lens string) (n int) {
	if o.Needs.Approvals > 0 {
		n += 4
	}
	if slices.Index(Lenses(), o.Lens) < slices.Index(Lenses(), lens) {
		n += 2
	}
	if o.Needs.Case {
		n++
	}
	return n
}

// propose adds what would unlock the access and what is permitted instead. Its
// hint is permitted when it is run, unless it says that an approval is needed.
func (r *Rules) propose(f *Refusal, in Input, available []string) {
	if slices.Contains(available, in.Lens) {
		u, ok := r.needs(in)
		if ok && u.Case { // a request does not change: it takes another
			u, ok = r.needs(in.anew())
		}
		if ok {
			f.Unlock = &u
			f.Detail = append(f.Detail, "it would be permitted with "+u.words(in))
		}
	}
	if os := r.options(in, available); len(os) > 0 {
		best := slices.MinFunc(os, func(a, b Option) int { return a.detour(in.Lens) - b.detour(in.Lens) })
		f.Best = &best
		f.Detail = append(f.Detail, best.words(in))
		if os[0] != best {
			f.Detail = append(f.Detail, os[0].words(in))
		}
	}
	switch {
	case f.Best == nil && f.Unlock == nil:
		f.Detail = append(f.Detail, "no other lens or scope is permitted to "+in.Principal.Login+" for purpose "+in.Purpose)
	case f.Unlock != nil && f.Unlock.Approvals == 0:
		f.Hint = Option{in.Lens, in.Scope, *f.Unlock}.command(in)
	case f.Best != nil && f.Best.Needs.Approvals == 0:
		f.Hint = f.Best.command(in)
	case f.Unlock != nil && !f.Unlock.Case:
		f.Hint = "the approver runs: trefoil access approve REQUEST"
	case f.Unlock != nil:
		f.Hint = Option{in.Lens, in.Scope, *f.Unlock}.command(in)
	default:
		f.Hint = f.Best.command(in)
	}
}

func (o Option) words(in Input) string {
	if o.Needs == (Unlock{}) {
		return fmt.Sprintf("permitted now: %s in scope %s", o.Lens, o.Scope)
	}
	return fmt.Sprintf("%s in scope %s would be permitted with %s", o.Lens, o.Scope, o.Needs.words(in))
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

// command is how to ask for the option. Capitals stand for what only the
// requester knows.
func (o Option) command(in Input) string {
	s := fmt.Sprintf("trefoil access request %s --lens %s --scope %s --purpose %s", in.Resource.Dataset, o.Lens, o.Scope, in.Purpose)
	if in.HasCase || o.Needs.Case {
		s += " --case CASE"
	}
	if o.Scope == "case" {
		s += " --subject KEY"
	}
	if o.Needs.Approvals > 0 {
		s = "ask anew, for an approver to agree to: " + s
	}
	return s
}
