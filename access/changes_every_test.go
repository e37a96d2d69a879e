package access_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/identity"
)

// edit is a change of one file of the rules.
type edit struct{ kind, from, to string }

// TestEveryKeyIsSummarised looks at the fields that the rules' files are read
// into: each must have an edit here, and each edit must give a line. A new field
// without an edit fails, so that none is forgotten by Changes.
func TestEveryKeyIsSummarised(t *testing.T) {
	nothing := edit{} // for what no rule depends on
	cat := func(from, to string) edit { return edit{access.SourceCatalogue, from, to} }
	law := func(from, to string) edit { return edit{access.SourceCountries, from, to} }
	dir := func(from, to string) edit { return edit{access.SourceDirectory, from, to} }
	edits := map[string]edit{
		"Catalog.Name": nothing, "Catalog.Source": nothing, "Catalog.Digest": nothing, // the file, not what it says
		"Catalog.Purposes": cat("purposes: [support,", "purposes: [support, marketing,"),
		"Catalog.Lapse":    cat("lapse: 72h", "lapse: 71h"),
		"Catalog.Zones":    cat("  us:\n    residents", "  them:\n    residents"),
		"Catalog.Datasets": cat("  clips:\n    zone", "  films:\n    zone"),

		"Zone.Name":        cat("  us:\n    residents", "  them:\n    residents"),
		"Zone.Residents":   cat("GB, CH,\n", "GB, CH, XQ,\n"),
		"Zone.Authorities": cat("      - { name: FDPIC, countries: [CH] }\n", ""),
		"Zone.Sites":       cat("      hamar: { country: NO, store: hamar }\n", "      hamar: { country: NO, store: hamar }\n      oslo: { country: NO, store: oslo }\n"),

		"Authority.Name":      cat("name: FDPIC", "name: EDOEB"),
		"Authority.Countries": cat("      - { name: ICO, countries: [GB] }\n      - { name: FDPIC, countries: [CH] }", "      - { name: ICO, countries: [GB, CH] }"),
		"Authority.From":      cat("countries: [CH] }", "countries: [CH], from: 2020-01-01 }"),
		"Authority.Until":     cat("countries: [CH] }", "countries: [CH], until: 2040-01-01 }"),

		"Site.Name":    cat("ashburn: { country", "reston: { country"),
		"Site.Country": cat("ashburn: { country: US", "ashburn: { country: CA"),
		"Site.Store":   cat("store: ashburn", "store: reston"),

		"Dataset.Name":        cat("  clips:\n    zone", "  films:\n    zone"),
		"Dataset.Zone":        cat("zone: eu\n    sites: [dublin-1, dublin-2, hamar]", "zone: us\n    sites: [ashburn]"),
		"Dataset.Sites":       cat("sites: [dublin-1, dublin-2, hamar]", "sites: [dublin-1, dublin-2]"),
		"Dataset.Schema":      cat("  clips:\n", "  clips:\n    schema: other\n"),
		"Dataset.Lenses":      cat("  clips:\n", "  clips:\n    lenses: [masked]\n"),
		"Dataset.RowSecurity": cat("  clips:\n", "  clips:\n    rows: rls\n"),
		"Dataset.Tables":      cat("      countries:\n        reference", "      lands:\n        reference"),

		"Table.Name":    cat("      countries:\n        reference", "      lands:\n        reference"),
		"Table.Kind":    cat("between: [sender_id -> users, recipient_id -> users]\n        columns:\n          id: key\n          sender_id: subject\n          recipient_id: subject", "child: sender_id -> users\n        columns:\n          id: key\n          sender_id: subject\n          recipient_id: key"),
		"Table.Key":     cat("subject: id\n        minor: born under 18\n        home: country\n        columns:\n          id: subject", "subject: no\n        minor: born under 18\n        home: country\n        columns:\n          no: subject"),
		"Table.Home":    cat("        home: country\n", ""),
		"Table.Minor":   cat("        minor: born under 18\n", ""),
		"Table.Paths":   cat("between: [sender_id -> users, recipient_id -> users]\n        columns:\n          id: key\n          sender_id: subject\n          recipient_id: subject", "child: sender_id -> users\n        columns:\n          id: key\n          sender_id: subject\n          recipient_id: key"),
		"Table.Lenses":  cat("      countries:\n", "      countries:\n        lenses: [masked]\n"),
		"Table.Columns": cat("          bio: content/text\n", ""),

		"Home.Table":         cat("        home: country\n", ""),
		"Home.Column":        cat("home: country\n        columns:\n", "home: land\n        columns:\n          land: residence\n"),
		"Path.Columns":       cat("child: user_id -> users\n        columns:\n          id: key\n          user_id: subject\n          platform", "child: owner -> users\n        columns:\n          id: key\n          owner: subject\n          platform"),
		"Path.Parent":        cat("child: user_id -> users\n        columns:\n          id: key\n          user_id: subject\n          device_id", "child: device_id -> devices.id\n        columns:\n          id: key\n          user_id: subject\n          device_id"),
		"Path.ParentColumns": cat("[sender_id -> users, ", "[sender_id -> devices.user_id, "),
		"MinorTest.Column":   cat("        minor: born under 18\n", "        minor: since under 18\n"),
		"MinorTest.Under":    cat("born under 18", "born under 16"),
		"Column.Name":        cat("bio: content/text", "about: content/text"),
		"Column.Category":    cat("bio: content/text", "bio: behaviour"),
		"Column.Mask":        cat("bio: content/text", "bio: content/hide"),
		"Column.Clear":       cat("note: special/hide", "note: special/hide/clear"),
		"Person.Login":       dir("  ines:\n", "  inez:\n"),
		"Person.Name":        dir("name: Inês Rocha", "name: Ines Rocha"),
		"Person.Employer":    dir("Rocha, employer: clips-ie", "Rocha, employer: clips-no"),
		"Person.Country":     dir("Rocha, employer: clips-ie, country: IE", "Rocha, employer: clips-ie, country: XB"),
		"Person.Department":  dir("department: data-protection", "department: support"),
		"Person.Manager":     dir("support, manager: aoife}\n  ines", "support, manager: eva}\n  ines"),
		"Person.Roles":       dir("manager: aoife, roles: [vetted]", "manager: aoife"),
		"Person.Regimes":     dir("department: data-protection", "department: data-protection, regimes: [secrecy]"),
		"Employer.ID":        dir("Rocha, employer: clips-ie", "Rocha, employer: clips-no"),
		"Employer.Name":      dir("name: Clips Labs", "name: Labs"),
		"Employer.Country":   dir("name: Clips Labs, country: XB", "name: Clips Labs, country: IE"),
		"Employer.Regimes":   dir("name: Clips Labs, country: XB", "name: Clips Labs, country: XB, regimes: [secrecy]"),
		"Service.Login":      dir("  recommender:", "  proposer:"),
		"Service.Name":       dir("name: Recommendations", "name: Proposals"),
		"Service.Owner":      dir("owner: jonas", "owner: ines"),
		"Directory.people":   dir("  ines:\n", "  inez:\n"),
		"Directory.services": dir("  recommender:", "  proposer:"),
		"Directory.source":   nothing,
		"Directory.digest":   nothing,
		"Countries.ranges":   law("127.9.0.0/16: XB", "127.9.0.0/16: IE"),
		"Countries.bits4":    nothing, // of the ranges
		"Countries.bits6":    nothing,
		"Countries.regimes":  law("country: XB, from: 2021-03-01}", "country: XB, from: 2021-03-01}\n    - {country: XC}"),
		"Countries.adequacy": law("  - {zone: eu, country: XC, from: 2022-06-01, until: 2032-06-01}\n", ""),
		"Countries.source":   nothing,
		"Countries.digest":   nothing,
		"Countries.needs":    nothing, // a file of its own; its digest is compared
		"Countries.database": nothing,
		"dated.name":         law("compelled-disclosure:", "secrecy:"),
		"dated.country":      law("{zone: eu, country: XC", "{zone: eu, country: XD"),
		"dated.authority":    law("authority: EDPB, ", ""),
		"dated.from":         law("from: 2022-06-01", "from: 2022-06-02"),
		"dated.until":        law("until: 2032-06-01", "until: 2032-06-02"),
		"dated.line":         nothing,
	}
	sources := examples(t)
	for i := range sources {
		switch sources[i].Kind {
		case access.SourceCatalogue:
			sources[i].Text = strings.NewReplacer("        subject: id\n", "        subject: id\n        minor: born under 18\n", "          bio:", "          since: birth/date\n          note: special/hide\n          bio:").Replace(sources[i].Text)
		case access.SourceDirectory:
			sources[i].Text += "\nservices:\n  recommender: {name: Recommendations, owner: jonas}\n"
		}
	}
	now := edited(t, sources, "", "", "")
	countries := reflect.TypeFor[identity.Countries]()
	dated, _ := countries.FieldByName("regimes")
	for _, typ := range []reflect.Type{
		reflect.TypeFor[catalog.Catalog](), reflect.TypeFor[catalog.Zone](), reflect.TypeFor[catalog.Authority](), reflect.TypeFor[catalog.Site](),
		reflect.TypeFor[catalog.Dataset](), reflect.TypeFor[catalog.Table](), reflect.TypeFor[catalog.Home](), reflect.TypeFor[catalog.Path](),
		reflect.TypeFor[catalog.MinorTest](), reflect.TypeFor[catalog.Column](), reflect.TypeFor[identity.Person](), reflect.TypeFor[identity.Employer](),
		reflect.TypeFor[identity.Service](), reflect.TypeFor[identity.Directory](), countries, dated.Type.Elem(),
	} {
		for f := range typ.NumField() {
			key := typ.Name() + "." + typ.Field(f).Name
			e, there := edits[key]
			if !there {
				t.Errorf("%s has no edit here: does access.Changes compare it?", key)
			}
			if e == nothing {
				continue
			}
			t.Run(key, func(t *testing.T) {
				other := edited(t, sources, e.kind, e.from, e.to)
				if len(access.Changes(now, other)) == 0 || len(access.Changes(other, now)) == 0 {
					t.Errorf("%q to %q gives no line", e.from, e.to)
				}
			})
		}
	}
}
