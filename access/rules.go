package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/policy"
	"github.com/trefoil-dev/trefoil/record"
)

// Kinds of rules, each exactly once in a set.
const (
	SourceCatalogue = "catalogue"
	SourcePolicy    = "policy"
	SourceDuties    = "duties"
	SourceDirectory = "directory"
	SourceCountries = "countries"
	// SourceDatabase is optional: the digest of a country database, "sha256 HEX\n",
	// whose bytes are too many for the log.
	SourceDatabase = "country-database"
)

var sourceKinds = []string{SourceCatalogue, SourceCountries, SourceDirectory, SourceDuties, SourcePolicy}

var databaseForm = regexp.MustCompile(`^sha256 ([0-9a-f]{64})\n$`)

// Database is the source that names a country database by its file and digest.
func Database(name string, d *identity.Database) record.Source {
	return record.Source{Kind: SourceDatabase, Name: name, Text: "sha256 " + d.Digest() + "\n"}
}

// Rules is one published set, parsed. It does not change.
type Rules struct {
	Sources []record.Source // sorted by kind
	Digest  record.Hash     // what leaves carry
	Catalog *catalog.Catalog
	Book    policy.Book
	Facts   policy.Facts
}

// LoadRules parses a set of rules. The digest covers each kind, in order, with
// the SHA-256 of its bytes; file names do not count.
func LoadRules(sources []record.Source) (*Rules, error) {
	r := &Rules{Sources: slices.Clone(sources)}
	slices.SortFunc(r.Sources, func(a, b record.Source) int {
		return slices.Index(sourceKinds, a.Kind) - slices.Index(sourceKinds, b.Kind)
	})
	sum := sha256.New()
	fmt.Fprint(sum, "trefoil/rules/v1\n")
	kinds := sourceKinds
	if slices.ContainsFunc(sources, func(s record.Source) bool { return s.Kind == SourceDatabase }) {
		kinds = append([]string{SourceDatabase}, sourceKinds...) // an unknown kind sorts first
	}
	for i, kind := range kinds {
		if i >= len(r.Sources) || r.Sources[i].Kind != kind || len(r.Sources) != len(kinds) {
			return nil, fault.New(fault.BadInput, "a set of rules has exactly one %v", sourceKinds)
		}
		digest := sha256.Sum256([]byte(r.Sources[i].Text))
		fmt.Fprintf(sum, "%s %s\n", kind, hex.EncodeToString(digest[:]))
	}
	sum.Sum(r.Digest[:0])
	var err error
	database := ""
	for _, s := range r.Sources {
		text := []byte(s.Text)
		switch s.Kind {
		case SourceDatabase:
			m := databaseForm.FindStringSubmatch(s.Text)
			if m == nil {
				return nil, fault.New(fault.BadInput, "%s: the digest of a country database is written sha256 and 64 hexadecimal digits", s.Name)
			}
			database = m[1]
		case SourceCatalogue:
			r.Catalog, err = catalog.Parse(s.Name, text)
		case SourceCountries:
			r.Facts.Countries, err = identity.ParseCountries(s.Name, text)
		case SourceDirectory:
			r.Facts.Directory, err = identity.ParseDirectory(s.Name, text)
		case SourceDuties:
			r.Book.Duties, err = policy.ParseDuties(s.Name, text)
		case SourcePolicy:
			r.Book.Rules, err = policy.Parse(s.Name, text)
		}
		if err != nil {
			return nil, err
		}
	}
	r.Facts.Countries.Need(database)
	if len(r.Catalog.Purposes) == 0 {
		return nil, fault.New(fault.BadInput, "%s declares no purposes", r.Catalog.Name).WithHint("purposes: [support, …] at its top")
	}
	return r, nil
}

// Check compares the files of a set with each other, and with the zone whose log
// they are for ("": any). It is asked before rules are published; a fold is not so
// strict, because what an older release let pass stands in logs.
func (r *Rules) Check(zone string) error {
	var names []string
	for _, z := range r.Catalog.Zones {
		names = append(names, z.Name)
	}
	if zone != "" && !slices.Contains(names, zone) {
		return fault.New(fault.BadInput, "%s has no zone %q, which this log is kept for", r.Catalog.Name, zone).
			WithHint("its zones are %s; zone: in trefoil.yaml says which is ours", strings.Join(names, ", "))
	}
	for _, d := range r.Facts.Countries.Decisions() {
		z := r.Catalog.Zone(d.Zone)
		where := fmt.Sprintf("%s:%d", r.Sources[slices.IndexFunc(r.Sources, func(s record.Source) bool { return s.Kind == SourceCountries })].Name, d.Line)
		if z == nil {
			return fault.New(fault.BadInput, "%s: an adequacy decision is about zone %q, which %s does not have", where, d.Zone, r.Catalog.Name)
		}
		if d.Authority != "" && len(z.Authorities) > 0 && !slices.ContainsFunc(z.Authorities, func(a catalog.Authority) bool { return a.Name == d.Authority }) {
			return fault.New(fault.BadInput, "%s: an adequacy decision is one of authority %q, which zone %s of %s does not have", where, d.Authority, z.Name, r.Catalog.Name)
		}
	}
	return nil
}
