package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

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
)

var sourceKinds = []string{SourceCatalogue, SourceCountries, SourceDirectory, SourceDuties, SourcePolicy}

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
	for i, kind := range sourceKinds {
		if i >= len(r.Sources) || r.Sources[i].Kind != kind || len(r.Sources) != len(sourceKinds) {
			return nil, fault.New(fault.BadInput, "a set of rules has exactly one %v", sourceKinds)
		}
		digest := sha256.Sum256([]byte(r.Sources[i].Text))
		fmt.Fprintf(sum, "%s %s\n", kind, hex.EncodeToString(digest[:]))
	}
	sum.Sum(r.Digest[:0])
	var err error
	for _, s := range r.Sources {
		text := []byte(s.Text)
		switch s.Kind {
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
	if len(r.Catalog.Purposes) == 0 {
		return nil, fault.New(fault.BadInput, "%s declares no purposes", r.Catalog.Name).WithHint("purposes: [support, …] at its top")
	}
	return r, nil
}
