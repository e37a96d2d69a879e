package access_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

func TestRulesMustFitTogether(t *testing.T) {
	for _, c := range []struct{ kind, old, new, zone, want string }{
		{"catalogue", "", "", "eu", ""},
		{"catalogue", "", "", "asia", `catalog.yaml has no zone "asia", which this log is kept for`},
		{"countries", "{zone: eu, country: XC", "{zone: asia, country: XC", "eu", `countries.yaml:21: an adequacy decision is about zone "asia", which catalog.yaml does not have`},
		{"countries", "authority: EDPB", "authority: EPDB", "eu", `countries.yaml:22: an adequacy decision is one of authority "EPDB", which zone eu of catalog.yaml does not have`},
	} {
		sources := examples(t)
		for i := range sources {
			if sources[i].Kind == c.kind {
				sources[i].Text = strings.Replace(sources[i].Text, c.old, c.new, 1)
			}
		}
		r := access.NewRegister(&memory{}, time.Now, access.State{Zone: c.zone}, []string{"masked"}, func(*access.State) {})
		_, _, err := r.Publish(context.Background(), record.Actor{}, sources, "")
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("zone %s, %q: %v", c.zone, c.new, err)
		}
	}
}

func TestTheDatasetOfAnotherZone(t *testing.T) {
	rules, err := access.LoadRules(examples(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &access.State{Zone: "us", Rules: rules}
	if _, _, err := s.Dataset("clips"); err == nil || !strings.Contains(err.Error(), "dataset clips lies in zone eu; this is zone us") {
		t.Errorf("%v", err)
	}
	if _, _, err := s.Dataset("films"); err == nil || fault.Public(err).Hint != "this zone has none" {
		t.Errorf("%v", err)
	}
}
