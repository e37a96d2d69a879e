package identity_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

func exampleDirectory(t testing.TB) (*identity.Directory, []byte) {
	t.Helper()
	src, err := os.ReadFile("../examples/clips/directory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := identity.ParseDirectory("directory.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return d, src
}

func TestExampleDirectory(t *testing.T) {
	d, src := exampleDirectory(t)
	p, err := d.Person("mei")
	if err != nil {
		t.Fatal(err)
	}
	if p.Employer.ID != "clips-xb" || p.Employer.Country != "XB" || p.Country != "XB" || p.Department != "engineering" || p.Manager != "niamh" {
		t.Errorf("mei is %+v", p)
	}
	if p, _ := d.Person("astrid"); p.Country != "NO" || p.Employer.Country != "NO" {
		t.Errorf("astrid's NO became %q, %q", p.Country, p.Employer.Country)
	}
	if got := d.Chain("viktor"); !slices.Equal(got, []string{"diana", "eva"}) {
		t.Errorf("viktor's managers are %v", got)
	}
	if d.Chain("eva") != nil || d.Chain("nobody") != nil {
		t.Error("a chain where there is none")
	}
	if !slices.IsSorted(d.Logins()) || len(d.Logins()) != 11 {
		t.Errorf("logins are %v", d.Logins())
	}
	if string(d.Source()) != string(src) || d.Digest() != sha256.Sum256(src) {
		t.Error("source or digest differ from the file")
	}
	var f *fault.Error
	if _, err := d.Person("nobody"); !errors.As(err, &f) || f.Kind != fault.NotFound {
		t.Errorf("nobody: %v", err)
	}
}

func TestServicesHaveOwners(t *testing.T) {
	_, src := exampleDirectory(t)
	parse := func(services string) (*identity.Directory, error) {
		return identity.ParseDirectory("directory.yaml", append(slices.Clone(src), services...))
	}
	d, err := parse("services:\n  replies: {name: Suggested replies, owner: jonas}\n")
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := d.Service("replies"); !ok || s.Owner != "jonas" || s.Name != "Suggested replies" {
		t.Errorf("replies is %+v", s)
	}
	if _, ok := d.Service("jonas"); ok {
		t.Error("a person is a service")
	}
	for services, want := range map[string]string{
		"services:\n  jonas: {name: x, owner: mei}\n":          "has the login of a person",
		"services:\n  replies: {name: x, owner: nobody}\n":     `owner "nobody" of replies is not in people`,
		"services:\n  replies: {name: x}\n":                    "owner",
		"services:\n  Re-plies: {name: x, owner: mei}\n":       "lower-case letter",
		"services:\n  r: {name: x, owner: mei, country: IE}\n": "country",
	} {
		if _, err := parse(services); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", services, err)
		}
	}
}

func TestInHierarchy(t *testing.T) {
	d, _ := exampleDirectory(t)
	for _, c := range []struct {
		a, b string
		in   bool
		why  string
	}{
		{"viktor", "diana", true, "manager"},
		{"viktor", "eva", true, "manager's manager"},
		{"jonas", "ines", true, "peers under one manager"},
		{"diana", "aoife", true, "peers under one manager"},
		{"viktor", "viktor", true, "the same person"},
		{"viktor", "nobody", true, "not in the directory"},
		{"", "", true, "nobody at all"},
		{"viktor", "astrid", false, "another branch"},
		{"viktor", "jonas", false, "another branch"},
		{"viktor", "aoife", false, "a peer of the manager"},
		{"eva", "astrid", false, "two at the top"},
		{"sean", "jonas", false, "another branch"},
	} {
		if d.InHierarchy(c.a, c.b) != c.in || d.InHierarchy(c.b, c.a) != c.in {
			t.Errorf("%s and %s (%s): not %v", c.a, c.b, c.why, c.in)
		}
	}
}

func TestDirectoryRefuses(t *testing.T) {
	const employers = "employers:\n  e: {name: E, country: IE}\npeople:\n"
	person := func(login, more string) string {
		return fmt.Sprintf("  %s: {name: P, employer: e, country: IE, department: d%s}\n", login, more)
	}
	for _, c := range []struct{ name, src, want string }{
		{"nothing", "", "d.yaml:1: the file is empty"},
		{"not YAML", "employers:\n  e: {name", "is not YAML"},
		{"tabs", "employers:\n\te: 1\n", "d.yaml:2: this is not YAML"},
		{"two documents", employers + person("a", "") + "---\na: 1\n", "one YAML document"},
		{"a list", "- a\n", "d.yaml:1: the file must be a mapping"},
		{"unknown section", "staff: {}\n", `d.yaml:1: the directory has no field "staff"`},
		{"nobody", employers, "d.yaml:3: people must be a mapping"},
		{"unknown field", employers + person("a", ", salary: 1"), `d.yaml:4: a person has no field "salary"`},
		{"field twice", employers + person("a", ", name: Q"), `d.yaml:4: "name" is given twice`},
		{"person twice", employers + person("a", "") + person("a", ""), `d.yaml:5: "a" is given twice`},
		{"missing country", "employers:\n  e: {name: E}\n", "d.yaml:2: country is missing"},
		{"small country", "employers:\n  e: {name: E, country: ie}\n", `d.yaml:2: country "ie"`},
		{"unknown country", "employers:\n  e: {name: E, country: ZZ}\n", "and not ZZ"},
		{"login", employers + person("Jonas", ""), `d.yaml:4: login "Jonas"`},
		{"long login", employers + person(strings.Repeat("a", 32), ""), "d.yaml:4: login"},
		{"employer", employers + "  a: {name: P, employer: f, country: IE, department: d}\n", `d.yaml:4: employer "f" of a`},
		{"manager", employers + person("a", ", manager: b"), `d.yaml:4: manager "b" of a is not in people`},
		{"own manager", employers + person("a", ", manager: a"), "d.yaml:4: a is, through others"},
		{"cycle", employers + person("a", ", manager: b") + person("b", ", manager: c") + person("c", ", manager: b"), "their own manager"},
		{"role twice", employers + person("a", ", roles: [x, x]"), `role "x" is given twice`},
		{"roles as a word", employers + person("a", ", roles: x"), "roles must be a list"},
		{"name as a list", employers + "  a: {name: [P], employer: e, country: IE, department: d}\n", "name must be a word"},
		{"alias", "employers:\n  e: &e {name: E, country: IE}\n  f: *e\n", "anchors, aliases"},
		{"merge", "employers:\n  e: {<<: {name: E}, country: IE}\n", "merge keys"},
		{"control character", "employers:\n  e: {name: \"E\\e[1m\", country: IE}\n", "without control characters"},
		{"too large", strings.Repeat("#", 16<<20+1), "at most 16777216"},
		{"deep", strings.Repeat("[", 100_000), "d.yaml:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := identity.ParseDirectory("d.yaml", []byte(c.src))
			if err == nil || d != nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "d.yaml:") {
				t.Fatalf("the error is %q; it should say %q", err, c.want)
			}
		})
	}
}

// A chain of 20,000 managers is checked in one pass.
func TestLongChain(t *testing.T) {
	var b strings.Builder
	b.WriteString("employers:\n  e: {name: E, country: IE}\npeople:\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "  p%d: {name: P, employer: e, country: IE, department: d, manager: p%d}\n", i, i+1)
	}
	b.WriteString("  p20000: {name: P, employer: e, country: IE, department: d}\n")
	d, err := identity.ParseDirectory("d.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Chain("p0")) != 20_000 {
		t.Fatalf("the chain has %d managers", len(d.Chain("p0")))
	}
}

func FuzzDirectory(f *testing.F) {
	_, src := exampleDirectory(f)
	f.Add(src)
	f.Add([]byte("employers: {e: {name: E, country: IE}}\npeople: {a: {name: A, employer: e, country: IE, department: d, manager: b}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, _ = identity.ParseCountries("c.yaml", src)
		d, err := identity.ParseDirectory("d.yaml", src)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "d.yaml:") {
				t.Fatalf("the error names no line: %q", err)
			}
			return
		}
		for _, l := range d.Logins() {
			if slices.Contains(d.Chain(l), l) {
				t.Fatalf("%s manages themselves", l)
			}
		}
	})
}
