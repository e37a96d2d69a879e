package identity_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/mmdbtest"
)

func database(t testing.TB, ranges map[string]string) *identity.Database {
	t.Helper()
	data, err := mmdbtest.Make(ranges)
	if err != nil {
		t.Fatal(err)
	}
	d, err := identity.OpenDatabase(write(t, data))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLookupInADatabase(t *testing.T) {
	d := database(t, map[string]string{"198.51.100.0/24": "NO", "203.0.113.0/24": "ZZ", "192.0.2.0/24": "Norway", "2001:db8::/32": "IE"})
	c := countries(t, "ranges:\n  198.51.100.128/25: XB\n")
	c.Need(d.Digest())
	if got, ok := c.Lookup(netip.MustParseAddr("198.51.100.1")); ok {
		t.Errorf("without the database: %s", got)
	}
	if err := c.Use(d); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"198.51.100.1":         "NO",
		"::ffff:198.51.100.1":  "NO",
		"198.51.100.200":       "XB", // the file's ranges come first
		"2001:db8::1":          "IE",
		"2001:db8::1%eth0":     "IE",
		"203.0.113.1":          identity.Unknown, // it can't say that nobody knows
		"192.0.2.1":            identity.Unknown, // no code
		"8.8.8.8":              identity.Unknown,
		"2a00::1":              identity.Unknown,
		"::ffff:198.51.101.22": identity.Unknown,
	} {
		if got, ok := c.Lookup(netip.MustParseAddr(addr)); got != want || ok != (want != identity.Unknown) {
			t.Errorf("%s is in %s (%v), not %s", addr, got, ok, want)
		}
	}
	if got, ok := c.Lookup(netip.Addr{}); ok {
		t.Errorf("no address is in %s", got)
	}
}

func TestTheDatabaseIsTheOneThatIsNeeded(t *testing.T) {
	a, b := database(t, map[string]string{"10.0.0.0/8": "IE"}), database(t, map[string]string{"10.0.0.0/8": "NO"})
	if a.Digest() == b.Digest() || len(a.Digest()) != 64 {
		t.Errorf("digests %s and %s", a.Digest(), b.Digest())
	}
	c := countries(t, "ranges: {}\n")
	c.Need(a.Digest())
	for _, d := range []*identity.Database{nil, b} {
		if err := c.Use(d); err == nil || !strings.Contains(err.Error(), a.Digest()) {
			t.Errorf("another database: %v", err)
		}
		if got, ok := c.Lookup(netip.MustParseAddr("10.0.0.1")); ok {
			t.Errorf("it is used: %s", got)
		}
	}
}

func TestBrokenDatabases(t *testing.T) {
	good, err := mmdbtest.Make(map[string]string{"10.0.0.0/8": "IE", "2001:db8::/32": "NO"})
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][]byte{"empty": {}, "text": []byte("ranges:\n  10.0.0.0/8: IE\n"), "cut": good[:len(good)/2], "without its beginning": good[40:]}
	tree := append([]byte(nil), good...)
	for i := range 12 {
		tree[i] = 0xff
	}
	broken["tree"] = tree
	for name, data := range broken {
		if _, err := identity.OpenDatabase(write(t, data)); err == nil || !strings.Contains(err.Error(), "is no country database") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity.OpenDatabase(filepath.Join(t.TempDir(), "none.mmdb")); err == nil || !strings.Contains(err.Error(), "none.mmdb") {
		t.Errorf("a missing file: %v", err)
	}
}

// FuzzDatabase: whatever the file holds, opening it and looking things up ends
// without a panic.
func FuzzDatabase(f *testing.F) {
	good, err := mmdbtest.Make(map[string]string{"10.0.0.0/8": "IE", "2001:db8::/32": "NO"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-7])
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := identity.OpenDatabase(write(t, data))
		if err != nil {
			return
		}
		c := countries(t, "ranges: {}\n")
		c.Need(d.Digest())
		if err := c.Use(d); err != nil {
			t.Fatal(err)
		}
		for _, a := range []string{"10.1.2.3", "2001:db8::1", "::", "255.255.255.255"} {
			if got, ok := c.Lookup(netip.MustParseAddr(a)); len(got) != 2 || ok == (got == identity.Unknown) {
				t.Errorf("%s is in %q", a, got)
			}
		}
	})
}
