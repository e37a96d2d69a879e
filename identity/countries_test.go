package identity_test

import (
	"crypto/sha256"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/identity"
)

func countries(t testing.TB, src string) *identity.Countries {
	t.Helper()
	c, err := identity.ParseCountries("c.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLookup(t *testing.T) {
	c := countries(t, "ranges:\n  10.0.0.0/8: IE\n  10.9.0.0/16: XB\n  10.9.9.9/32: NO\n  2001:db8::/32: NO\n  2001:db8:9::/48: XB\n  fe80::/10: IE\n")
	for addr, want := range map[string]string{
		"10.0.0.1":              "IE",
		"10.8.255.255":          "IE",
		"10.9.0.0":              "XB",
		"10.9.9.9":              "NO",
		"10.9.9.10":             "XB",
		"::ffff:10.9.0.1":       "XB",
		"11.0.0.1":              identity.Unknown,
		"2001:db8::1":           "NO",
		"2001:db8:9::1":         "XB",
		"2001:db9::1":           identity.Unknown,
		"fe80::1%eth0":          "IE",
		"::10.9.0.1":            identity.Unknown,
		"::ffff:192.0.2.1":      identity.Unknown,
		"64:ff9b::10.9.0.1":     identity.Unknown,
		"255.255.255.255":       identity.Unknown,
		"0.0.0.0":               identity.Unknown,
		"2001:db8:9:ffff::ffff": "XB",
	} {
		got, ok := c.Lookup(netip.MustParseAddr(addr))
		if got != want || ok != (want != identity.Unknown) {
			t.Errorf("%s is in %s (%v), not %s", addr, got, ok, want)
		}
	}
	if got, ok := c.Lookup(netip.Addr{}); ok || got != identity.Unknown {
		t.Errorf("no address is in %s", got)
	}
	if got, ok := countries(t, "ranges:\n  0.0.0.0/0: IE\n").Lookup(netip.MustParseAddr("192.0.2.1")); !ok || got != "IE" {
		t.Errorf("the whole of IPv4 gives %s", got)
	}
}

func TestLawIsDated(t *testing.T) {
	c := countries(t, `
regimes:
  disclosure:
    - {country: XB, from: 2021-03-01}
    - {country: XD, until: 2020-01-01}
  broadcast:
    - {country: XB}
adequacy:
  - {zone: eu, country: XC, from: 2022-06-01, until: 2023-06-01}
  - {zone: eu, country: XE}
  - {zone: us, country: XF}
`)
	at := func(s string) int64 {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d.UnixMicro()
	}
	for when, want := range map[string][]string{
		"2021-02-28T23:59:59Z": {"broadcast"},
		"2021-03-01T00:00:00Z": {"broadcast", "disclosure"},
	} {
		if got := c.Regimes(at(when), "IE", "XB", "XB"); !slices.Equal(got, want) {
			t.Errorf("%s: regimes %v", when, got)
		}
	}
	if got := c.Regimes(at("2019-12-31T23:59:59Z"), "XD"); !slices.Equal(got, []string{"disclosure"}) {
		t.Errorf("before its end: %v", got)
	}
	if got := c.Regimes(at("2020-01-01T00:00:00Z"), "XD", ""); len(got) != 0 {
		t.Errorf("from its end on: %v", got)
	}
	for when, want := range map[string][]string{
		"2022-05-31T23:59:59Z": {"XE"},
		"2022-06-01T00:00:00Z": {"XC", "XE"},
		"2023-06-01T00:00:00Z": {"XE"},
	} {
		if got := c.Adequate(at(when), "eu"); !slices.Equal(got, want) {
			t.Errorf("%s: adequate %v", when, got)
		}
	}
	if got := c.Adequate(at("2022-07-01T00:00:00Z"), "xx"); len(got) != 0 {
		t.Errorf("another zone: %v", got)
	}
}

func TestAdequacyByAuthority(t *testing.T) {
	c := countries(t, `
adequacy:
  - {zone: eu, country: XC}
  - {zone: eu, authority: EDPB, country: XD}
  - {zone: eu, authority: ICO, country: XD, from: 2025-01-01}
  - {zone: us, authority: FTC, country: XE}
`)
	for _, k := range []struct {
		when        string
		authorities []string
		want        []string
	}{
		{"2024-07-01", []string{"EDPB", "ICO"}, []string{"XC"}},
		{"2025-07-01", []string{"EDPB", "ICO"}, []string{"XC", "XD"}},
		{"2025-07-01", []string{"EDPB", "FDPIC", "ICO"}, []string{"XC"}},
		{"2024-07-01", []string{"EDPB"}, []string{"XC", "XD"}},
		{"2024-07-01", []string{"", "EDPB"}, []string{"XC"}}, // nobody speaks for some residents
		{"2024-07-01", nil, []string{"XC"}},
	} {
		day, err := time.Parse(time.DateOnly, k.when)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Adequate(day.UnixMicro(), "eu", k.authorities...); !slices.Equal(got, k.want) {
			t.Errorf("%s, residents of %q: %v, want %v", k.when, k.authorities, got, k.want)
		}
	}
	if got := c.Decisions(); len(got) != 4 || got[2] != (identity.Decision{Zone: "eu", Authority: "ICO", Line: 5}) {
		t.Errorf("decisions %v", got)
	}
}

func TestExampleCountries(t *testing.T) {
	src, err := os.ReadFile("../examples/clips/countries.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := countries(t, string(src))
	for addr, want := range map[string]string{"127.0.0.1": "IE", "127.1.2.3": "IE", "127.2.0.1": "NO", "127.9.9.9": "XB", "127.3.0.1": "US", "127.4.0.1": identity.Unknown} {
		if got, _ := c.Lookup(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in %s", addr, got)
		}
	}
	if string(c.Source()) != string(src) || c.Digest() != sha256.Sum256(src) {
		t.Error("source or digest differ from the file")
	}
}

func TestCountriesRefuses(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"not a range", "ranges:\n  10.0.0.1: IE\n", `c.yaml:2: "10.0.0.1" is not an address range`},
		{"bits beyond", "ranges:\n  10.0.0.1/8: IE\n", "c.yaml:2: 10.0.0.1/8 has bits set beyond its length; write 10.0.0.0/8"},
		{"mapped", "ranges:\n  \"::ffff:10.0.0.0/104\": IE\n", "c.yaml:2: write the IPv4 range"},
		{"same range in two spellings", "ranges:\n  \"2001:db8::/32\": IE\n  \"2001:0db8::/32\": NO\n", "c.yaml:3: 2001:db8::/32 is given twice"},
		{"unknown country", "ranges:\n  10.0.0.0/8: ZZ\n", "c.yaml:2: country"},
		{"adequacy for the unknown", "adequacy:\n  - {zone: eu, country: ZZ}\n", "c.yaml:2: country"},
		{"no zone", "adequacy:\n  - {country: XC}\n", "c.yaml:2: zone is missing"},
		{"not a date", "regimes:\n  a:\n    - {country: XB, from: 2021-02-30}\n", "c.yaml:3: from must be a date"},
		{"backwards", "regimes:\n  a:\n    - {country: XB, from: 2021-02-02, until: 2021-02-01}\n", "c.yaml:3: from must lie before until"},
		{"misspelt date", "regimes:\n  a:\n    - {country: XB, form: 2021-02-02}\n", `has no field "form"`},
	} {
		if _, err := identity.ParseCountries("c.yaml", []byte(c.src)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v; it should say %q", c.name, err, c.want)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	src, err := os.ReadFile("../examples/clips/countries.yaml")
	if err != nil {
		b.Fatal(err)
	}
	c, a := countries(b, string(src)), netip.MustParseAddr("127.9.0.1")
	for b.Loop() {
		if _, ok := c.Lookup(a); !ok {
			b.Fatal("not found")
		}
	}
}
