package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/policy"
)

// Effect is what a change of the rules does to what people may read.
type Effect string

// The effects, in the order in which changes are listed.
const (
	Wider    Effect = "wider"
	Narrower Effect = "narrower"
	Either   Effect = "either" // depends on the rest; a person has to look
	Same     Effect = "same"
)

// Change is one difference between two sets of rules, in words.
type Change struct {
	Effect Effect
	What   string
}

// Changes lists what becomes different when one set of rules follows another:
// rules by @id, people and services, tables and columns, ranges and law. It knows
// what a change does by itself, not what others make of it: a rule that is
// removed may have been repeated by another. old may be nil: then everything is
// new, and that is not listed.
func Changes(old, now *Rules) []Change {
	if old == nil {
		return nil
	}
	d := new(differ)
	d.rules("rule", old.Book.Rules.All(), now.Book.Rules.All())
	d.rules("duty", old.Book.Duties.Rules().All(), now.Book.Duties.Rules().All())
	d.people(old.Facts.Directory, now.Facts.Directory)
	d.catalogue(old.Catalog, now.Catalog)
	d.countries(old.Facts.Countries, now.Facts.Countries)
	d.same("country database, by SHA-256", old.Facts.Countries.Needs(), now.Facts.Countries.Needs())
	order := []Effect{Wider, Narrower, Either, Same}
	slices.SortStableFunc(d.list, func(a, b Change) int { return slices.Index(order, a.Effect) - slices.Index(order, b.Effect) })
	return d.list
}

type differ struct{ list []Change }

func (d *differ) add(e Effect, format string, args ...any) {
	d.list = append(d.list, Change{e, fmt.Sprintf(format, args...)})
}

// rules compares rules by @id. A duty is a condition more, so that a new one is
// narrower although it is written as a permit.
func (d *differ) rules(what string, old, now []policy.Rule) {
	before, after := map[string]policy.Rule{}, map[string]policy.Rule{}
	for _, r := range old {
		before[r.ID] = r
	}
	for _, r := range now {
		after[r.ID] = r
	}
	effect := func(r policy.Rule, added bool) Effect {
		if added == (!r.Forbids && what == "rule") {
			return Wider
		}
		return Narrower
	}
	for _, id := range union(before, after) {
		o, was := before[id]
		n, is := after[id]
		switch {
		case !was:
			d.add(effect(n, true), "%s %s is new, and %s: %s", what, id, verbs(n), n.Why)
		case !is:
			d.add(effect(o, false), "%s %s goes, which %s: %s", what, id, verbs(o), o.Why)
		case o.Forbids != n.Forbids:
			d.add(effect(n, true), "%s %s %s from now on", what, id, verbs(n))
		case !slices.Equal(o.Lenses(), n.Lenses()) || o.Condition() != n.Condition() || o.Duty() != n.Duty():
			if !slices.Equal(o.Lenses(), n.Lenses()) {
				d.add(effect(n, moreRevealing(n.Lenses(), o.Lenses())), "%s %s, which %s, is about lenses %s instead of %s: %s", what, id, verbs(n), strings.Join(n.Lenses(), ", "), strings.Join(o.Lenses(), ", "), n.Why)
			}
			if o.Condition() != n.Condition() || o.Duty() != n.Duty() {
				d.add(Either, "%s %s, which %s, has other conditions: %s", what, id, verbs(n), n.Why)
			}
		case o.Why != n.Why || o.Confidential != n.Confidential:
			d.add(Same, "%s %s is explained differently: %s", what, id, n.Why)
		}
	}
}

// moreRevealing tells whether a has the most revealing of the lenses that only one
// of the two has.
func moreRevealing(a, b []string) bool {
	for _, l := range policy.Lenses() {
		if in := slices.Contains(a, l); in != slices.Contains(b, l) {
			return in
		}
	}
	return false
}

func verbs(r policy.Rule) string {
	switch {
	case r.Duty() != "":
		return "asks for " + r.Duty()
	case r.Forbids:
		return "forbids"
	}
	return "permits"
}

func (d *differ) people(old, now *identity.Directory) {
	before, after := map[string]identity.Person{}, map[string]identity.Person{}
	for dir, into := range map[*identity.Directory]map[string]identity.Person{old: before, now: after} {
		for _, login := range dir.Logins() {
			if p, err := dir.Person(login); err == nil {
				into[login] = p
			}
		}
	}
	for _, login := range union(before, after) {
		o, was := before[login]
		n, is := after[login]
		switch {
		case !was:
			d.add(Wider, "%s joins: %s, %s in %s", login, n.Name, n.Department, n.Country)
		case !is:
			d.add(Narrower, "%s leaves: %s, %s in %s", login, o.Name, o.Department, o.Country)
		default:
			d.person(login, o, n)
		}
	}
	oldServices, services := old.Services(), now.Services()
	for _, s := range services {
		n, _ := now.Service(s)
		switch o, was := old.Service(s); {
		case !was:
			d.add(Wider, "service %s is new, and %s answers for it", s, n.Owner)
		case o.Owner != n.Owner:
			d.add(Either, "%s answers for service %s instead of %s", n.Owner, s, o.Owner)
		case o.Name != n.Name:
			d.add(Same, "service %s is called %s instead of %s", s, n.Name, o.Name)
		}
	}
	for _, s := range oldServices {
		if !slices.Contains(services, s) {
			d.add(Narrower, "service %s goes", s)
		}
	}
}

func (d *differ) person(login string, o, n identity.Person) {
	for _, f := range []struct{ what, old, now string }{
		{"employer", o.Employer.ID, n.Employer.ID}, {"country of the employer", o.Employer.Country, n.Employer.Country},
		{"country", o.Country, n.Country}, {"department", o.Department, n.Department}, {"manager", o.Manager, n.Manager},
		{"roles", strings.Join(o.Roles, ", "), strings.Join(n.Roles, ", ")},
		{"list of law regimes", strings.Join(o.Regimes, ", "), strings.Join(n.Regimes, ", ")},
		{"list of law regimes of the employer", strings.Join(o.Employer.Regimes, ", "), strings.Join(n.Employer.Regimes, ", ")},
	} {
		if f.old != f.now {
			d.add(Either, "%s has another %s: %s instead of %s", login, f.what, orNone(f.now), orNone(f.old))
		}
	}
	if o.Name != n.Name {
		d.add(Same, "%s is called %s instead of %s", login, n.Name, o.Name)
	}
	if o.Employer.ID == n.Employer.ID && o.Employer.Name != n.Employer.Name {
		d.add(Same, "%s has an employer that is called %s instead of %s", login, n.Employer.Name, o.Employer.Name)
	}
}

func (d *differ) countries(old, now *identity.Countries) {
	before, after := map[string]string{}, map[string]string{}
	for c, into := range map[*identity.Countries]map[string]string{old: before, now: after} {
		for p, country := range c.Ranges() {
			into[p.String()] = country
		}
	}
	for _, p := range union(before, after) {
		if before[p] != after[p] {
			d.add(Either, "addresses of %s are in %s instead of %s", p, orNone(after[p]), orNone(before[p]))
		}
	}
	oldRegimes, oldAdequacy := old.Law()
	regimes, adequacy := now.Law()
	d.lines(oldRegimes, regimes, Narrower, Wider)
	for _, s := range union(oldAdequacy, adequacy) {
		d.adequacy(s, oldAdequacy[s], adequacy[s])
	}
}

// adequacy compares by whose decisions a zone's data may go to a country. One for
// the whole zone does what all authorities' together do.
func (d *differ) adequacy(what string, old, now []string) {
	was, is := slices.Contains(old, ""), slices.Contains(now, "")
	switch {
	case is && !was && len(old) > 0:
		d.add(Wider, "%s is decided for the whole zone, not only by %s", what, strings.Join(old, ", "))
	case was && !is && len(now) > 0:
		d.add(Narrower, "%s is decided only by %s, not for the whole zone", what, strings.Join(now, ", "))
	default:
		say := func(by []string) (out []string) {
			for _, a := range by {
				if a != "" {
					a = ", decided by " + a
				}
				out = append(out, what+a)
			}
			return out
		}
		d.lines(say(old), say(now), Wider, Narrower)
	}
}

// lines compares two lists of sentences.
func (d *differ) lines(old, now []string, added, removed Effect) {
	for _, s := range now {
		if !slices.Contains(old, s) {
			d.add(added, "new: %s", s)
		}
	}
	for _, s := range old {
		if !slices.Contains(now, s) {
			d.add(removed, "gone: %s", s)
		}
	}
}

func union[V any](a, b map[string]V) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
