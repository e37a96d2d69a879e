package identity

import (
	"crypto/sha256"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Employer is a legal entity that employs staff. What counts under EDPB
// guidelines 05/2021 is the employing entity, not only the address.
type Employer struct {
	ID      string   // code, such as clips-ie
	Name    string   // shown to people
	Country string   // seat
	Regimes []string // law regimes that reach it apart from its country's, sorted; may be empty
}

// Person is one member of staff as the directory has them.
type Person struct {
	Login      string   // [a-z][a-z0-9_.-]{0,30}
	Name       string   // shown to people, never part of a decision
	Employer   Employer // who pays them
	Country    string   // country of employment
	Department string   // code
	Manager    string   // login, or empty at the top
	Roles      []string // codes, sorted; may be empty
	Regimes    []string // law regimes that reach the person apart from the countries', sorted; may be empty
}

// Service is a program with a login of its own. A person answers for it, and what
// counts in a decision about it is that person.
type Service struct {
	Login string // as a person's; nobody else has it
	Name  string // shown to people
	Owner string // login
}

// Directory is a parsed staff directory. It does not change after Parse.
type Directory struct {
	people   map[string]Person
	services map[string]Service
	source   []byte
	digest   [sha256.Size]byte
}

// ParseDirectory reads a directory file strictly. name is only used in errors,
// which have the form "file:line: sentence".
//
//	employers:
//	  clips-ie: {name: Clips Ireland, country: IE}
//	people:
//	  jonas: {name: Jonas Weber, employer: clips-ie, country: IE, department: support, manager: aoife}
//	services:
//	  recommender: {name: Recommendations, owner: jonas}
//
// employers and people may have regimes, people may have roles: lists of codes.
// services may be missing.
func ParseDirectory(name string, src []byte) (*Directory, error) {
	r := &reader{file: name}
	root := r.root(src)
	sections := r.fields(root, "the directory", "employers", "people", "services")
	employers := make(map[string]Employer)
	for _, e := range r.entries(sections["employers"], "employers") {
		f := r.fields(e.value, "an employer", "name", "country", "regimes")
		emp := Employer{
			ID:      r.code(e.key, e.key, "employer"),
			Name:    r.text(f["name"], e.key, "name"),
			Country: r.country(f["country"], e.key, "country"),
			Regimes: r.codes(f["regimes"], "regime"),
		}
		employers[emp.ID] = emp
	}
	d := &Directory{people: make(map[string]Person), services: make(map[string]Service), source: slices.Clone(src), digest: sha256.Sum256(src)}
	where := make(map[string]*yaml.Node)
	for _, e := range r.entries(sections["people"], "people") {
		if !loginForm.MatchString(e.key.Value) {
			r.fail(e.key, "login %q must be a lower-case letter and up to 30 of a-z, 0-9, _ . -", e.key.Value)
		}
		f := r.fields(e.value, "a person", "name", "employer", "country", "department", "manager", "roles", "regimes")
		p := Person{
			Login:      e.key.Value,
			Name:       r.text(f["name"], e.key, "name"),
			Country:    r.country(f["country"], e.key, "country"),
			Department: r.code(f["department"], e.key, "department"),
			Roles:      r.codes(f["roles"], "role"),
			Regimes:    r.codes(f["regimes"], "regime"),
		}
		id := r.text(f["employer"], e.key, "employer")
		emp, ok := employers[id]
		if r.err == nil && !ok {
			r.fail(f["employer"], "employer %q of %s is not in employers", id, p.Login)
		}
		p.Employer = emp
		if f["manager"] != nil {
			p.Manager = r.text(f["manager"], e.key, "manager")
		}
		d.people[p.Login], where[p.Login] = p, e.key
	}
	if r.err == nil && len(d.people) == 0 {
		r.fail(root, "the directory has no people")
	}
	if r.err == nil {
		d.checkManagers(r, where)
	}
	if sections["services"] != nil {
		d.readServices(r, sections["services"])
	}
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

func (d *Directory) readServices(r *reader, section *yaml.Node) {
	for _, e := range r.entries(section, "services") {
		if !loginForm.MatchString(e.key.Value) {
			r.fail(e.key, "service %q must be a lower-case letter and up to 30 of a-z, 0-9, _ . -", e.key.Value)
		}
		if _, taken := d.people[e.key.Value]; taken {
			r.fail(e.key, "service %q has the login of a person", e.key.Value)
		}
		f := r.fields(e.value, "a service", "name", "owner")
		s := Service{Login: e.key.Value, Name: r.text(f["name"], e.key, "name"), Owner: r.text(f["owner"], e.key, "owner")}
		if _, ok := d.people[s.Owner]; r.err == nil && !ok {
			r.fail(f["owner"], "owner %q of %s is not in people", s.Owner, s.Login)
		}
		d.services[s.Login] = s
	}
}

// checkManagers refuses unknown managers and cycles. Each person is walked
// once: done marks those whose chain is known to end.
func (d *Directory) checkManagers(r *reader, where map[string]*yaml.Node) {
	done := make(map[string]bool, len(d.people))
	for _, login := range d.Logins() {
		path := make(map[string]bool)
		var walked []string
		for at := login; at != "" && !done[at]; {
			if path[at] {
				r.fail(where[at], "%s is, through others, their own manager", at)
				return
			}
			path[at], walked = true, append(walked, at)
			next := d.people[at].Manager
			if _, ok := d.people[next]; next != "" && !ok {
				r.fail(where[at], "manager %q of %s is not in people", next, at)
				return
			}
			at = next
		}
		for _, w := range walked {
			done[w] = true
		}
	}
}

// Person gives a member of staff. The error is a fault.NotFound.
func (d *Directory) Person(login string) (Person, error) {
	p, ok := d.people[login]
	if !ok {
		return Person{}, fault.New(fault.NotFound, "%q is not in the staff directory", login).WithHint("the operator adds them to the directory's file and puts it in force: trefoil publish")
	}
	return p, nil
}

// Service gives a program with a login of its own.
func (d *Directory) Service(login string) (Service, bool) {
	s, ok := d.services[login]
	return s, ok
}

// Logins are all logins of people, sorted.
func (d *Directory) Logins() []string { return slices.Sorted(maps.Keys(d.people)) }

// Services lists the services' logins, sorted.
func (d *Directory) Services() []string { return slices.Sorted(maps.Keys(d.services)) }

// Chain is the managers of login upwards, nearest first; nil at the top and for
// a login that does not exist.
func (d *Directory) Chain(login string) []string {
	var up []string
	for m := d.people[login].Manager; m != ""; m = d.people[m].Manager {
		up = append(up, m)
	}
	return up
}

// InHierarchy tells whether a and b can put pressure on each other: they are
// the same person, one manages the other at any distance, or both report to the
// same manager. It is symmetric. People without a manager are not each other's
// peers. A login that does not exist is in everybody's hierarchy, so that it
// never counts as an outsider.
func (d *Directory) InHierarchy(a, b string) bool {
	pa, okA := d.people[a]
	pb, okB := d.people[b]
	return !okA || !okB || a == b ||
		pa.Manager != "" && pa.Manager == pb.Manager ||
		slices.Contains(d.Chain(a), b) || slices.Contains(d.Chain(b), a)
}

// Source is the file's bytes as they are published.
func (d *Directory) Source() []byte { return slices.Clone(d.source) }

// Digest is the SHA-256 of Source.
func (d *Directory) Digest() [sha256.Size]byte { return d.digest }
