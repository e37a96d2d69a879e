package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/record"
)

// TestChanges edits one file of the example at a time, and looks at the words.
func TestChanges(t *testing.T) {
	load := func(kind, from, to string) *access.Rules { return edited(t, examples(t), kind, from, to) }
	now := load("", "", "")
	if got := access.Changes(now, load("policy", "\n", "\n// a comment\n")); len(got) != 0 {
		t.Errorf("a comment changes %v", got)
	}
	if got := access.Changes(nil, now); len(got) != 0 {
		t.Errorf("the first rules change %v", got)
	}
	for _, c := range []struct {
		kind, from, to string
		want, back     string // and when it is taken back
	}{
		{access.SourceCatalogue, "full_name: identity/name", "full_name: identity/hide",
			"narrower column clips.users.full_name: lens masked shows nothing instead of the mask name", "wider column clips.users.full_name: lens masked shows the mask name instead of nothing"},
		{access.SourceCatalogue, "          born: birth/date\n", "",
			"narrower column clips.users.born: lens clear shows nothing instead of it as it is", "wider column clips.users.born: lens clear shows it as it is instead of nothing"},
		{access.SourceCatalogue, "bio: content/text", "bio: special/hide",
			"either column clips.users.bio is of category special instead of content, of which rules may speak", "wider column clips.users.bio: lens clear shows it as it is instead of nothing"},
		{access.SourceCatalogue, "  clips:\n    zone: eu\n", "  clips:\n    zone: eu\n    lenses: [masked, pseudonymous]\n",
			"narrower column clips.users.email: lens clear shows nothing instead of it as it is", "wider column clips.users.email: lens clear shows it as it is instead of nothing"},
		{access.SourceCatalogue, "  clips:\n", "  clips:\n    rows: rls\n",
			"narrower dataset clips shows only rows of the zone's residents", "wider dataset clips shows every row of its stores, not only residents'"},
		{access.SourceCatalogue, "purposes: [support,", "purposes: [support, marketing,", "wider purpose marketing is new", "narrower purpose marketing goes"},
		{access.SourceCatalogue, "GB, CH,", "GB, CH, XQ,", "either zone eu: residents: ", "either zone eu: residents: "},
		{access.SourceCountries, "127.2.0.0/16: \"NO\"", "127.2.0.0/16: IE", "either addresses of 127.2.0.0/16 are in IE instead of NO", "either addresses of 127.2.0.0/16 are in NO instead of IE"},
		{access.SourceDirectory, "country: XB, department: engineering", "country: IE, department: engineering", "either mei has another country: IE instead of XB", "either mei has another country: XB instead of IE"},
		{access.SourceCatalogue, "lapse: 72h", "lapse: 96h", "wider open requests lapse after 96h0m0s instead of 72h0m0s", "narrower open requests lapse after 72h0m0s instead of 96h0m0s"},
		{access.SourceCatalogue, "lapse: 72h\n", "", "wider open requests never lapse, instead of after 72h0m0s", "narrower open requests lapse after 72h0m0s; until now they never did"},
		{access.SourceCountries, "authority: EDPB, ", "",
			"wider adequacy for zone eu of XD from 2024-03-01 is decided for the whole zone, not only by EDPB", "narrower adequacy for zone eu of XD from 2024-03-01 is decided only by EDPB, not for the whole zone"},
		{access.SourceCountries, "country: XD, from: 2024-03-01}\n", "country: XD, from: 2024-03-01}\n  - {zone: eu, authority: ICO, country: XD, from: 2024-03-01}\n",
			"wider new: adequacy for zone eu of XD from 2024-03-01, decided by ICO", "narrower gone: adequacy for zone eu of XD from 2024-03-01, decided by ICO"},
		{access.SourcePolicy, "permit (principal, action == Action::\"readMasked\"", "permit (principal, action == Action::\"readClear\"",
			"wider rule support-case, which permits, is about lenses clear instead of masked: ", "narrower rule support-case, which permits, is about lenses masked instead of clear: "},
		{access.SourcePolicy, "forbid (principal, action == Action::\"readClear\"", "forbid (principal, action == Action::\"readMasked\"",
			"wider rule whereabouts-in-clear, which forbids, is about lenses masked instead of clear: ", "narrower rule whereabouts-in-clear, which forbids, is about lenses clear instead of masked: "},
		{access.SourcePolicy, "[Action::\"readClear\", Action::\"readMasked\"]", "[Action::\"readMasked\"]",
			"narrower rule audit-case, which permits, is about lenses masked instead of clear, masked: ", "wider rule audit-case, which permits, is about lenses clear, masked instead of masked: "},
		{access.SourceDuties, "action in Action::\"readRows\"", "action",
			"narrower duty audit-notice, which asks for notify-subject, is about lenses clear, masked, pseudonymous, aggregate instead of", "wider duty audit-notice, which asks for notify-subject, is about lenses clear, masked, pseudonymous instead of"},
	} {
		other := load(c.kind, c.from, c.to)
		for _, x := range []struct {
			old, now *access.Rules
			want     string
		}{{now, other, c.want}, {other, now, c.back}} {
			var got []string
			for _, ch := range access.Changes(x.old, x.now) {
				got = append(got, string(ch.Effect)+" "+ch.What)
			}
			if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, x.want) }) {
				t.Errorf("%q to %q: %q, want %q", c.from, c.to, got, x.want)
			}
			if !slices.IsSortedFunc(got, func(a, b string) int {
				order := "wider narrower either same"
				return strings.Index(order, strings.Fields(a)[0]) - strings.Index(order, strings.Fields(b)[0])
			}) {
				t.Errorf("not by effect: %q", got)
			}
		}
	}
}

// edited loads sources in whose file of a kind the first of a text is another.
func edited(t *testing.T, sources []record.Source, kind, from, to string) *access.Rules {
	t.Helper()
	sources = slices.Clone(sources)
	for i, s := range sources {
		if s.Kind != kind {
			continue
		}
		if !strings.Contains(s.Text, from) {
			t.Fatalf("%s has no %q", s.Name, from)
		}
		sources[i] = record.Source{Kind: s.Kind, Name: s.Name, Text: strings.Replace(s.Text, from, to, 1)}
	}
	r, err := access.LoadRules(sources)
	if err != nil {
		t.Fatalf("%q to %q: %v", from, to, err)
	}
	return r
}
