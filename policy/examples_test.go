package policy_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/policy"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "examples", "clips", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// clips is the example platform as published.
func clips(t testing.TB) (policy.Book, policy.Facts) {
	t.Helper()
	rules, err := policy.Parse("rules.cedar", read(t, "rules.cedar"))
	if err != nil {
		t.Fatal(err)
	}
	duties, err := policy.ParseDuties("duties.cedar", read(t, "duties.cedar"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := identity.ParseDirectory("directory.yaml", read(t, "directory.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	countries, err := identity.ParseCountries("countries.yaml", read(t, "countries.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return policy.Book{Rules: rules, Duties: duties}, policy.Facts{Directory: dir, Countries: countries}
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixMicro()

// ask is a question as a person of the story puts it; change alters it.
func ask(t testing.TB, f policy.Facts, login, lens, scope, purpose, from string, change ...func(*policy.Question)) policy.Input {
	t.Helper()
	q := policy.Question{
		Login: login, Lens: lens, Scope: scope, Purpose: purpose, HasCase: scope == "case",
		Dataset: "clips", Zone: "eu", Residents: []string{"NO", "IE", "DE", "FR"},
		Categories: []string{"contact", "identity", "location", "network"},
		Address:    netip.MustParseAddr(from), OpenedAt: noon, Now: noon,
	}
	if scope == "case" {
		q.Subjects = 1
	}
	for _, c := range change {
		c(&q)
	}
	in, err := f.Input(q)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func approvedBy(logins ...string) func(*policy.Question) {
	return func(q *policy.Question) {
		for i, l := range logins {
			q.Approvals = append(q.Approvals, policy.Consent{By: l, Seq: uint64(40 + i)})
		}
	}
}

func withoutCase(q *policy.Question) { q.HasCase = false }

func people(n int) func(*policy.Question) { return func(q *policy.Question) { q.Subjects = n } }

func minutesLater(n int64) func(*policy.Question) {
	return func(q *policy.Question) { q.Now += n * 60e6 }
}

const (
	dublin = "127.1.0.7"
	hamar  = "127.2.0.7"
	abroad = "127.9.0.7"
	lost   = "203.0.113.9" // in no range
)

func TestClipsStory(t *testing.T) {
	book, facts := clips(t)
	type changes = []func(*policy.Question)
	for _, c := range []struct {
		name                        string
		login, lens, scope, why, ip string
		change                      changes
		allow                       bool
		reasons, duties             []string
	}{
		// jonas, support in Dublin
		{"support reads a case", "jonas", "masked", "case", "support", dublin, nil, true, []string{"support-case"}, nil},
		{"support travels within the zone", "jonas", "masked", "case", "support", hamar, nil, true, []string{"support-case"}, nil},
		{"support abroad", "jonas", "masked", "case", "support", abroad, nil, false, nil, nil},
		{"support from an unknown address", "jonas", "masked", "case", "support", lost, nil, false, nil, nil},
		{"support without a case", "jonas", "masked", "case", "support", dublin, changes{withoutCase}, false, []string{"case-reference"}, nil},
		{"support wants whole tables", "jonas", "masked", "bulk", "support", dublin, nil, false, nil, nil},
		{"support wants clear", "jonas", "clear", "case", "support", dublin, nil, false, []string{"whereabouts-in-clear"}, nil},
		{"support, clear, own manager agrees", "jonas", "clear", "case", "support", dublin, changes{approvedBy("aoife")}, false, []string{"whereabouts-in-clear"}, nil},
		{"support, clear, the data protection office agrees", "jonas", "clear", "case", "support", dublin, changes{approvedBy("astrid")}, true, []string{"support-case-clear"}, []string{"review-within:72h"}},
		{"support, clear, too many people", "jonas", "clear", "case", "support", dublin, changes{approvedBy("astrid"), people(4)}, false, nil, nil},
		{"support claims another purpose", "jonas", "masked", "case", "engineering", dublin, nil, false, nil, nil},
		{"unknown purpose", "jonas", "masked", "case", "curiosity", dublin, nil, false, []string{"known-purpose"}, nil},

		// mei, an engineer whom a compelled-disclosure law reaches
		{"third country, clear case", "mei", "clear", "case", "engineering", abroad, nil, false, []string{"third-country-law", "whereabouts-in-clear"}, nil},
		{"third country, clear bulk", "mei", "clear", "bulk", "engineering", abroad, nil, false, []string{"third-country-law", "whereabouts-in-clear"}, nil},
		{"third country, masked bulk, approved", "mei", "masked", "bulk", "engineering", abroad, changes{approvedBy("astrid")}, false, []string{"third-country-law"}, nil},
		{"third country, masked case", "mei", "masked", "case", "engineering", abroad, nil, true, []string{"engineering-case"}, []string{"record-transfer"}},
		{"third country, many people", "mei", "masked", "case", "engineering", abroad, changes{people(26)}, false, nil, nil},
		{"an address in Dublin changes nothing", "mei", "masked", "bulk", "engineering", dublin, changes{approvedBy("astrid")}, false, []string{"third-country-law"}, nil},
		{"before the law was in force", "mei", "masked", "bulk", "engineering", abroad, changes{approvedBy("astrid"), func(q *policy.Question) {
			q.Now = time.Date(2021, 2, 28, 23, 59, 59, 0, time.UTC).UnixMicro()
			q.OpenedAt = q.Now
		}}, false, nil, nil},

		// sean, an engineer inside the zone
		{"engineer, bulk, nobody agreed", "sean", "masked", "bulk", "engineering", dublin, nil, false, nil, nil},
		{"engineer, bulk, own manager agreed", "sean", "masked", "bulk", "engineering", dublin, changes{approvedBy("niamh")}, false, nil, nil},
		{"engineer, bulk, a peer agreed", "sean", "masked", "bulk", "engineering", dublin, changes{approvedBy("mei")}, false, nil, nil},
		{"engineer, bulk, somebody outside agreed", "sean", "masked", "bulk", "engineering", dublin, changes{approvedBy("aoife")}, true, []string{"engineering-bulk"}, nil},
		{"engineer, bulk under pseudonyms", "sean", "pseudonymous", "bulk", "engineering", dublin, nil, true, []string{"engineering-pseudonymous"}, nil},
		{"third country, bulk under pseudonyms", "mei", "pseudonymous", "bulk", "engineering", abroad, nil, false, []string{"third-country-law"}, nil},
		{"engineer travels under the law", "sean", "masked", "bulk", "engineering", abroad, changes{approvedBy("aoife")}, false, []string{"third-country-law"}, nil},

		// viktor, internal audit, and a journalist's sign-ins
		{"audit, nobody agreed", "viktor", "masked", "case", "audit", dublin, nil, false, []string{"approver-outside-hierarchy"}, nil},
		{"audit, own manager agreed", "viktor", "masked", "case", "audit", dublin, changes{approvedBy("diana")}, false, []string{"approver-outside-hierarchy"}, nil},
		{"audit, the whole chain agreed", "viktor", "masked", "case", "audit", dublin, changes{approvedBy("diana", "eva")}, false, []string{"approver-outside-hierarchy"}, nil},
		{"audit, himself", "viktor", "masked", "case", "audit", dublin, changes{approvedBy("viktor")}, false, []string{"approver-outside-hierarchy"}, nil},
		{"audit, somebody outside hierarchy and zone agreed", "viktor", "masked", "case", "audit", dublin, changes{approvedBy("mei")}, false, []string{"approver-outside-hierarchy"}, nil},
		{"audit in clear, own manager agreed", "viktor", "clear", "case", "audit", dublin, changes{approvedBy("diana")}, false, []string{"approver-outside-hierarchy", "whereabouts-in-clear"}, nil},
		{"audit, the data protection office agreed", "viktor", "masked", "case", "audit", dublin, changes{approvedBy("diana", "astrid")}, true, []string{"audit-case"}, []string{"notify-subject"}},
		{"audit in clear, the data protection office agreed", "viktor", "clear", "case", "audit", dublin, changes{approvedBy("astrid")}, true, []string{"audit-case"}, []string{"notify-subject", "review-within:72h"}},
		{"audit, whole tables", "viktor", "masked", "bulk", "audit", dublin, changes{approvedBy("astrid")}, false, nil, nil},
		{"audit, eleven people", "viktor", "masked", "case", "audit", dublin, changes{approvedBy("astrid"), people(11)}, false, nil, nil},

		// break-glass
		{"emergency", "sean", "masked", "case", "break-glass", dublin, changes{minutesLater(60)}, true, []string{"break-glass"}, []string{"review-within:72h"}},
		{"emergency, an hour is over", "sean", "masked", "case", "break-glass", dublin, changes{minutesLater(60), func(q *policy.Question) { q.Now++ }}, false, nil, nil},
		{"emergency, not on call", "jonas", "masked", "case", "break-glass", dublin, nil, false, nil, nil},

		{"counts from anywhere", "mei", "aggregate", "bulk", "statistics", lost, nil, true, []string{"statistics"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := ask(t, facts, c.login, c.lens, c.scope, c.why, c.ip, c.change...)
			d := book.Decide(in)
			if d.Allow != c.allow || !slices.Equal(d.Reasons, c.reasons) || !slices.Equal(d.Duties, c.duties) || len(d.Errors) > 0 {
				t.Fatalf("got %+v\nwant allow %v, reasons %v, duties %v", d, c.allow, c.reasons, c.duties)
			}
			again, err := policy.ParseInput(in.Canonical())
			if err != nil {
				t.Fatal(err)
			}
			if d2 := book.Decide(again); !slices.Equal(d2.Reasons, d.Reasons) || d2.Allow != d.Allow {
				t.Fatalf("the recorded input decides %+v, not %+v", d2, d)
			}
		})
	}
}
