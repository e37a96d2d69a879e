package identity

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Unknown is the country of an address that lies in no configured range. No
// file can list it, so it is outside every zone and without adequacy.
const Unknown = "ZZ"

// Countries is what is published about countries: address ranges, law regimes
// and adequacy decisions. It does not change after Parse.
type Countries struct {
	ranges   map[netip.Prefix]string
	bits4    []int // prefix lengths that occur, longest first
	bits6    []int
	regimes  []dated // name is the regime
	adequacy []dated // name is the zone
	source   []byte
	digest   [sha256.Size]byte
	needs    string    // digest of the country database that goes with it, hex; empty: none
	database *Database // nil until Use
}

// dated is a fact about a country that holds in [from, until), µs UTC.
type dated struct {
	name, country string
	authority     string // whose decision on adequacy; empty: one for the whole zone
	from, until   int64
	line          int
}

// ParseCountries reads a countries file strictly. name is only used in errors,
// which have the form "file:line: sentence".
//
//	ranges:
//	  192.0.2.0/24: IE
//	regimes:                                    # laws that can compel a person there
//	  compelled-disclosure:
//	    - {country: XB, from: 2021-03-01}
//	adequacy:                                   # countries a zone's data may go to
//	  - {zone: eu, country: XC, from: 2022-06-01, until: 2026-06-01}
//	  - {zone: eu, authority: ICO, country: XD}   # for the residents ICO speaks for
//
// regimes and adequacy are evaluated as of the event; from and until are dates
// at midnight UTC, until excluded, both optional.
func ParseCountries(name string, src []byte) (*Countries, error) {
	r := &reader{file: name}
	sections := r.fields(r.root(src), "the countries file", "ranges", "regimes", "adequacy")
	c := &Countries{ranges: make(map[netip.Prefix]string), source: slices.Clone(src), digest: sha256.Sum256(src)}
	for _, e := range r.entries(sections["ranges"], "ranges") {
		c.addRange(r, e)
	}
	for _, e := range r.entries(sections["regimes"], "regimes") {
		regime := r.code(e.key, e.key, "regime")
		for _, it := range r.items(e.value, "a regime") {
			c.regimes = append(c.regimes, r.dated(it, regime, r.fields(it, "a regime's country", "country", "from", "until")))
		}
	}
	for _, it := range r.items(sections["adequacy"], "adequacy") {
		f := r.fields(it, "an adequacy decision", "zone", "authority", "country", "from", "until")
		d := r.dated(it, r.code(f["zone"], it, "zone"), f)
		if f["authority"] != nil {
			d.authority = r.text(f["authority"], it, "authority")
		}
		c.adequacy = append(c.adequacy, d)
	}
	if r.err != nil {
		return nil, r.err
	}
	longestFirst := func(a, b int) int { return b - a }
	slices.SortFunc(c.bits4, longestFirst)
	slices.SortFunc(c.bits6, longestFirst)
	return c, nil
}

func (c *Countries) addRange(r *reader, e entry) {
	p, err := netip.ParsePrefix(e.key.Value)
	switch {
	case err != nil:
		r.fail(e.key, "%q is not an address range such as 192.0.2.0/24", e.key.Value)
		return
	case p.Addr().Is4In6():
		r.fail(e.key, "write the IPv4 range instead of %s", p)
		return
	case p != p.Masked():
		r.fail(e.key, "%s has bits set beyond its length; write %s", p, p.Masked())
		return
	}
	if _, twice := c.ranges[p]; twice {
		r.fail(e.key, "%s is given twice", p)
	}
	c.ranges[p] = r.country(e.value, e.key, "country")
	bits := &c.bits6
	if p.Addr().Is4() {
		bits = &c.bits4
	}
	if !slices.Contains(*bits, p.Bits()) {
		*bits = append(*bits, p.Bits())
	}
}

func (r *reader) dated(at *yaml.Node, name string, f map[string]*yaml.Node) dated {
	d := dated{
		name:    name,
		country: r.country(f["country"], at, "country"),
		from:    r.day(f["from"], "from", math.MinInt64),
		until:   r.day(f["until"], "until", math.MaxInt64),
		line:    at.Line,
	}
	if d.from >= d.until {
		r.fail(at, "from must lie before until")
	}
	return d
}

// Lookup gives the country of an address by the longest matching range, and then
// by the country database. An IPv4-mapped IPv6 address counts as IPv4 and a scope
// zone is ignored. Where neither knows it gives Unknown and false.
func (c *Countries) Lookup(a netip.Addr) (country string, ok bool) {
	a = a.Unmap().WithZone("")
	bits := c.bits6
	if a.Is4() {
		bits = c.bits4
	}
	for _, b := range bits {
		p, err := a.Prefix(b)
		if err != nil {
			break
		}
		if country, ok := c.ranges[p]; ok {
			return country, true
		}
	}
	if c.database != nil {
		return c.database.lookup(a)
	}
	return Unknown, false
}

// Regimes are the law regimes in force at now (µs UTC) in any of the countries,
// sorted.
func (c *Countries) Regimes(now int64, countries ...string) []string {
	return inForce(c.regimes, now, func(d dated) (string, bool) { return d.name, slices.Contains(countries, d.country) })
}

// Adequate are the countries to which the zone's data may go at now (µs UTC),
// sorted: by a decision for the whole zone, or by one of each of the authorities
// that speak for its residents. The zone's own countries are not among them.
func (c *Countries) Adequate(now int64, zone string, authorities ...string) []string {
	all := inForce(c.adequacy, now, func(d dated) (string, bool) { return d.country, d.name == zone })
	return slices.DeleteFunc(all, func(country string) bool {
		by := inForce(c.adequacy, now, func(d dated) (string, bool) { return d.authority, d.name == zone && d.country == country })
		missing := func(a string) bool { return a == "" || !slices.Contains(by, a) }
		return !slices.Contains(by, "") && (len(authorities) == 0 || slices.ContainsFunc(authorities, missing))
	})
}

func inForce(all []dated, now int64, pick func(dated) (string, bool)) []string {
	var out []string
	for _, d := range all {
		if s, ok := pick(d); ok && d.from <= now && now < d.until {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Decision names whose decision on adequacy stands on a line of the file.
type Decision struct {
	Zone, Authority string // Authority is empty for one of the whole zone
	Line            int
}

// Decisions are those on adequacy, in the order of the file.
func (c *Countries) Decisions() []Decision {
	var out []Decision
	for _, d := range c.adequacy {
		out = append(out, Decision{d.name, d.authority, d.line})
	}
	return out
}

// Ranges are the address ranges with their countries.
func (c *Countries) Ranges() map[netip.Prefix]string { return maps.Clone(c.ranges) }

// Law says in one line each, sorted, which countries have which regimes, and
// which zones' data may go to which countries: by whose decisions, where an empty
// authority stands for the whole zone.
func (c *Countries) Law() (regimes []string, adequacy map[string][]string) {
	say := func(form string, d dated) string {
		s := fmt.Sprintf(form, d.name, d.country)
		if d.from != math.MinInt64 {
			s += " from " + time.UnixMicro(d.from).UTC().Format(time.DateOnly)
		}
		if d.until != math.MaxInt64 {
			s += " until " + time.UnixMicro(d.until).UTC().Format(time.DateOnly)
		}
		return s
	}
	for _, d := range c.regimes {
		regimes = append(regimes, say("regime %s in %s", d))
	}
	slices.Sort(regimes)
	adequacy = make(map[string][]string)
	for _, d := range c.adequacy {
		s := say("adequacy for zone %s of %s", d)
		adequacy[s] = append(adequacy[s], d.authority)
	}
	return regimes, adequacy
}

// Source is the file's bytes as they are published.
func (c *Countries) Source() []byte { return slices.Clone(c.source) }

// Digest is the SHA-256 of Source.
func (c *Countries) Digest() [sha256.Size]byte { return c.digest }
