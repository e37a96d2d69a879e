package access_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/internal/mmdbtest"
	"github.com/trefoil-dev/trefoil/policy"
	"github.com/trefoil-dev/trefoil/record"
)

func openDatabase(t *testing.T, ranges map[string]string) *identity.Database {
	t.Helper()
	data, err := mmdbtest.Make(ranges)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := identity.OpenDatabase(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The country comes from the database, stands in the decision's input, and an
// address alone permits nothing.
func TestCountryDatabase(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	ours, other := openDatabase(t, map[string]string{"198.51.100.0/24": "IE", "203.0.113.0/24": "XB"}), openDatabase(t, map[string]string{"198.51.100.0/24": "XB"})
	sources := append(examples(t), access.Database("geo.mmdb", ours))
	if _, _, err := o.Publish(ctx, record.Actor{}, sources, ""); kindOf(err) != fault.BadInput || !strings.Contains(err.Error(), "names none") {
		t.Errorf("without a database: %v", err)
	}
	have := other
	if err := o.UseDatabase(func() (*identity.Database, error) { return have, nil }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.Publish(ctx, record.Actor{}, sources, ""); kindOf(err) != fault.BadInput || !strings.Contains(err.Error(), other.Digest()) {
		t.Errorf("with another: %v", err)
	}
	have = ours
	before := o.State().Rules.Digest
	if _, _, err := o.Publish(ctx, record.Actor{}, sources, ""); err != nil {
		t.Fatal(err)
	}
	if o.State().Rules.Digest == before {
		t.Error("the digest of the rules does not cover the database")
	}
	granted := o.request("jonas", "support")
	if granted.Grant == nil {
		t.Fatalf("jonas is refused: %+v", granted.Refusal)
	}
	for _, c := range []struct{ from, country, kind string }{
		{"198.51.100.7", "IE", "session"}, {"203.0.113.7", "XB", "refusal"}, {"192.0.2.7", identity.Unknown, "refusal"}, {"127.0.0.1", "IE", "session"}, // a range of the file
	} {
		adm, err := o.Admit(ctx, access.Attempt{Login: "jonas", Grant: granted.Grant.Seq, Site: "dublin-1", From: netip.MustParseAddr(c.from)})
		if (err == nil) != (c.kind == "session") {
			t.Errorf("from %s: %v", c.from, err)
		}
		e := o.log.entries[len(o.log.entries)-1]
		if err == nil {
			e = o.log.entries[adm.Session]
		}
		var d record.Decision
		part, err := e.Part(record.PartDecision)
		if err == nil {
			err = record.ParseCanonical(part, &d)
		}
		if err != nil {
			t.Fatal(err)
		}
		in, err := policy.ParseInput(d.Input)
		if err != nil || in.Countries.Address != c.country {
			t.Errorf("from %s the input has %q (%v), want %s", c.from, in.Countries.Address, err, c.country)
		}
	}
	// Whoever works abroad is not let in from an address at home.
	for _, q := range []string{"198.51.100.7", "203.0.113.7"} {
		in, err := o.State().Rules.Facts.Input(policy.Question{Login: "mei", Lens: "masked", Scope: "case", Purpose: "support", HasCase: true, Subjects: 1,
			Dataset: "clips", Zone: "eu", Residents: []string{"IE"}, Site: "dublin-1", SiteCountry: "IE", Address: netip.MustParseAddr(q), Now: 1, OpenedAt: 1})
		if err != nil {
			t.Fatal(err)
		}
		if v := o.State().Rules.Book.Decide(in); v.Allow {
			t.Errorf("mei is let in from %s", q)
		}
	}

	// The log says which database, and a state folded from it wants that one.
	state := access.State{}
	for _, e := range o.log.entries {
		if err := access.Replay(&state, e); err != nil {
			t.Fatal(err)
		}
	}
	again := access.NewRegister(o.log, o.log.clock, state, []string{"masked"}, func(*access.State) {})
	for _, d := range []*identity.Database{nil, other} {
		if err := again.UseDatabase(func() (*identity.Database, error) { return d, nil }); kindOf(err) != fault.BadInput || !strings.Contains(err.Error(), ours.Digest()) {
			t.Errorf("a start with another database: %v", err)
		}
	}
	if err := again.UseDatabase(func() (*identity.Database, error) { return ours, nil }); err != nil {
		t.Error(err)
	}
}
