package catalog

import (
	"crypto/sha256"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func example(t *testing.T) (*Catalog, []byte) {
	t.Helper()
	src, err := os.ReadFile("../examples/clips/catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("catalog.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return c, src
}

func TestExample(t *testing.T) {
	c, src := example(t)
	if c.Digest != sha256.Sum256(src) || string(c.Source) != string(src) {
		t.Error("source bytes or their digest are not the file's")
	}
	eu := c.Zone("eu")
	if len(eu.Residents) != 32 || !slices.Contains(eu.Residents, "NO") {
		t.Errorf("residents = %v; Norway must not be read as a boolean", eu.Residents)
	}
	if s := eu.Site("hamar"); s == nil || s.Country != "NO" || s.Store != "hamar" {
		t.Errorf("site hamar = %+v", s)
	}
	d := c.Dataset("clips")
	if d.Zone != eu || len(d.Sites) != 3 || d.Schema != "public" || d.Subject().Name != "users" {
		t.Errorf("dataset = %+v", d)
	}
	m := d.Table("messages")
	want := []Path{path("sender_id", "users", "id"), path("recipient_id", "users", "id")}
	if m.Kind != Between || !slices.EqualFunc(m.Paths, want, Path.Equal) || !m.NamesSubject("sender_id") || m.NamesSubject("id") {
		t.Errorf("messages = %+v", m)
	}
	if got, _ := d.Table("devices").Column("last_ip"); got.Mask != IP || got.Category != Network {
		t.Errorf("last_ip = %+v", got)
	}
	if cats := d.Categories(); !slices.IsSorted(cats) || !slices.Contains(cats, Location) || slices.Contains(cats, Special) {
		t.Errorf("categories = %v", cats)
	}
	if c.Dataset("nobody") != nil || c.Zone("nobody") != nil || d.Site("oslo") != nil {
		t.Error("something that is not there was found")
	}
}

// small is a catalogue in which each test replaces one line.
const small = `zones:
  eu:
    residents: [IE, NO]
    authorities: [{ name: DPC, countries: [IE] }]
    sites: { dublin-1: { country: IE, store: dublin-1 } }
datasets:
  shop:
    zone: eu
    sites: [dublin-1]
    tables:
      users:
        subject: id
        home: country
        columns: { id: subject, country: residence, address_id: key }
      orders:
        child: user_id -> users
        columns: { id: key, user_id: subject, note: content }
      lines:
        child: order_id -> orders.id
        columns: { id: key, order_id: key }
      notes:
        child: (order_id, line) -> lines.(order_id, id)
        columns: { order_id: key, line: key }
      addresses:
        via: users.address_id -> id
        columns: { id: key, street: contact/hide }
      chats:
        between: [from_id -> users, to_id -> users]
        columns: { id: key, from_id: subject, to_id: subject }
      colours:
        reference: true
        columns: { code: reference }
`

func TestPaths(t *testing.T) {
	c, err := Parse("c", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	d := c.Dataset("shop")
	for table, want := range map[string]Path{
		"orders":    path("user_id", "users", "id"),
		"lines":     path("order_id", "orders", "id"),
		"addresses": path("id", "users", "address_id"),
		"notes":     {[]string{"order_id", "line"}, "lines", []string{"order_id", "id"}},
	} {
		if got := d.Table(table).Paths; len(got) != 1 || !got[0].Equal(want) {
			t.Errorf("%s hangs on %v, want %v", table, got, want)
		}
	}
}

// The home country may stand several tables away, each reached by via.
func TestHomeElsewhere(t *testing.T) {
	src := strings.NewReplacer("home: country", "home: countries.name",
		"street: contact/hide }", "street: contact/hide, town_id: key }\n"+
			"      towns: { via: addresses.town_id -> id, columns: { id: key, country_id: key } }\n"+
			"      countries: { via: towns.country_id -> id, columns: { id: key, name: residence } }").Replace(small)
	c, err := Parse("c", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := []Path{path("id", "users", "address_id"), path("id", "addresses", "town_id"), path("id", "towns", "country_id")}
	if got := c.Dataset("shop").HomePath(); !slices.EqualFunc(got, want, Path.Equal) {
		t.Errorf("the way home is %v, want %v", got, want)
	}
	if c, err = Parse("c", []byte(small)); err != nil || len(c.Dataset("shop").HomePath()) != 0 {
		t.Errorf("a home in the subject's own table takes steps: %v", err)
	}
	circle := strings.Replace(src, "via: addresses.town_id -> id", "via: countries.id -> id", 1)
	if _, err := Parse("c", []byte(circle)); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("a circle: %v", err)
	}
}

func TestDatasetsMayStandBeforeZones(t *testing.T) {
	zones, datasets, _ := strings.Cut(small, "datasets:")
	if _, err := Parse("c", []byte("datasets:"+datasets+zones)); err != nil {
		t.Error(err)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"zones:\n", "lapse: 3 days\nzones:\n", "c:1: lapse must be a duration such as 72h, of 1m to 8784h"},
		{"zones:\n", "lapse: 30s\nzones:\n", "c:1: lapse must be a duration"},
		{"    residents: [IE, NO]", "    resident: [IE, NO]", `c:3: zone eu has no key "resident"; known are authorities, residents, sites`},
		{"    residents: [IE, NO]", "    residents: [IE, Norway]", `c:3: the residents of zone eu: "Norway" is not an ISO 3166-1 alpha-2 code`},
		{"    residents: [IE, NO]", "    residents: [IE, IE]", `c:3: "IE" is listed twice`},
		{"    residents: [IE, NO]", "    residents: IE", "c:3: the residents of zone eu must be a list"},
		{"countries: [IE] }", "countries: [SE] }", `authority "DPC" of zone eu speaks for SE`},
		{"countries: [IE] }", "countries: [IE], from: 2026-13-01 }", "c:4: from of an authority must be a date such as 2026-01-31"},
		{"countries: [IE] }", "countries: [IE], from: 2026-02-01, until: 2026-02-01 }", `c:4: authority "DPC" of zone eu must begin before it ends`},
		{"countries: [IE] }]", "countries: [IE] }, { name: ICO, countries: [NO, IE] }]", `c:4: authority "ICO" of zone eu speaks for IE, for which "DPC" speaks at the same time`},
		{"{ country: IE, store: dublin-1 }", "{ country: IE }", "c:5: site dublin-1 needs store"},
		{"store: dublin-1", "store: 'postgres://x:y@db'", "is a name from the server's configuration, not an address"},
		{"  eu:\n", "  EU zone:\n", `c:2: zone "EU zone" is not a legal name`},
		{"    zone: eu", "    zone: us", `c:8: dataset shop lies in zone "us", which does not exist`},
		{"    sites: [dublin-1]", "    sites: [oslo]", `c:9: dataset shop lies at site "oslo"`},
		{"    sites: [dublin-1]", "    sites: []", `c:7: dataset shop lies at no site`},
		{"  shop:\n", "  Shop-1:\n", `c:7: dataset "Shop-1" is not a legal name`},
		{"        subject: id\n", "        reference: true\n", "needs exactly one subject table and has none"},
		{"child: user_id -> users", "subject: user_id", "needs exactly one subject table and has users, orders"},
		{"child: user_id -> users", "child: user_id -> people", `c:15: table orders hangs on "people"`},
		{"child: user_id -> users", "child: user_id", "c:16: a path of table orders is written column -> table"},
		{"child: user_id -> users", "child: owner -> users", `the path column "owner" of table orders is not listed`},
		{"child: user_id -> users", "child: id -> users", "both or neither have category subject"},
		{"child: user_id -> users\n", "child: user_id -> users\n        reference: true\n", "must be exactly one of subject, child"},
		{"child: user_id -> users\n", "", "table orders must be exactly one of"},
		{"child: order_id -> orders.id", "child: order_id -> orders", "say on which column, as in order_id -> orders.id"},
		{"child: order_id -> orders.id", "child: order_id -> orders.nr", `hangs on column "nr" of orders`},
		{"child: order_id -> orders.id", "child: order_id -> lines.id", "go in a circle: lines -> lines"},
		{"child: order_id -> orders.id", "child: order_id -> colours.code", "hangs on reference table colours"},
		{"via: users.address_id -> id", "via: users -> id", "via of table addresses is written othertable.column -> column"},
		{"between: [from_id -> users, to_id -> users]", "between: [from_id -> users]", "must list two paths or more"},
		{"between: [from_id -> users, to_id -> users]", "between: [from_id -> users, from_id -> users]", "twice"},
		{"lines.(order_id, id)", "lines.id", "a path of table notes has 2 columns at one end and 1 at the other"},
		{"lines.(order_id, id)", "lines", "a path of table notes has 2 columns at one end and 0 at the other"},
		{"lines.(order_id, id)", "lines.(order_id, nr)", `hangs on column "nr" of lines`},
		{"(order_id, line) ->", "(, line) ->", `the path column "" of table notes`},
		{"home: country\n", "home: country\n        minor: country\n", "column country must have category minor"},
		{"home: country\n", "home: country\n        minor: country under 18\n", "column country must have category birth"},
		{"home: country\n", "home: country\n        minor: born under 18\n", `names column "born", which is not listed`},
		{"child: user_id -> users\n", "child: user_id -> users\n        minor: note\n", "table orders is no subject table; minor belongs to that"},
		{"child: user_id -> users\n", "child: user_id -> users\n        lenses: [masked, raw]\n", `there is no lens "raw"; there are clear, masked, pseudonymous`},
		{"child: user_id -> users\n", "child: user_id -> users\n        lenses: []\n", "table orders is in no lens; leave it out"},
		{"note: content", "note: content/text/pseudonymous", "where widest is clear or masked"},
		{"note: content", "note: content/text/clear/clear", "where widest is clear or masked"},
		{"note: content", "note: credential/hide/clear", "is shown the same in clear and masked"},
		{"reference: true", "reference: yes please", "can only be true"},
		{"{ code: reference }", "{ code: contact }", "table colours is reference, so its column code cannot be contact"},
		{"note: content", "note: prose", `c:17: column note of table orders: unknown category "prose"; known are behaviour, birth,`},
		{"note: content", "note: content/keep", `mask "keep" does not fit category content; fitting are text, hide`},
		{"note: content", "note:", "column note of table orders must be a word"},
		{"note: content", "id: content", `the columns of table orders already has "id", on line 17`},
		{"note: content", "'a.b': content", "dots and > cannot be used"},
		{"note: content", strings.Repeat("n", 64) + ": content", "longer than the 63 bytes"},
		{"home: country", "home: address_id", "with category residence"},
		{"home: country", "home: addresses.street", "the home street of table users must be listed among the columns of addresses with category residence"},
		{"home: country", "home: towns.country", `the home of table users names table "towns", which dataset shop does not list`},
		{"home: country", "home: orders.note", "reached by way of orders, which is no via table"},
		{"home: country", "home: lines.id", "reached by way of lines, which is no via table"},
		{"home: country", "home: a.b.c", "dots and > cannot be used"},
		{"home: country", "home: .country", `the home of table users "" is not a legal name`},
		{"child: user_id -> users\n", "child: user_id -> users\n        home: note\n", "table orders is no subject table and has no home"},
		{"{ id: subject, country", "{ id: key, country", "with category subject"},
		{"note: content", "note: &a content", "anchors and aliases are not used"},
		{"note: content", "note: !!str content", "tags and merge keys are not used"},
		{"note: content", "note: [content", "is not YAML: "},
		{"datasets:\n", "---\ndatasets:\n", "holds a second document"},
	} {
		if !strings.Contains(small, c.old) {
			t.Fatalf("the test replaces %q, which is not in the catalogue", c.old)
		}
		_, err := Parse("c", []byte(strings.Replace(small, c.old, c.new, 1)))
		if err == nil {
			t.Errorf("%q was accepted", c.new)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error is\n%v\nwant %s", c.new, err, c.want)
		}
	}
}

func TestAuthoritiesTakeTurns(t *testing.T) {
	dated := "countries: [IE], until: 2026-02-01 }, { name: New, countries: [IE], from: 2026-02-01 }]"
	c, err := Parse("c", []byte(strings.Replace(small, "countries: [IE] }]", dated, 1)))
	if err != nil {
		t.Fatal(err)
	}
	turn := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	eu := c.Zone("eu")
	if a, b := eu.Authority("IE", turn-1), eu.Authority("IE", turn); a != "DPC" || b != "New" || eu.Authority("NO", turn) != "" {
		t.Errorf("before %q, after %q", a, b)
	}
	if got := eu.AuthoritiesAt(turn); !slices.Equal(got, []string{"", "New"}) {
		t.Errorf("%q; want New, and nobody for NO", got)
	}
}

// The example's zones hold the same tables, and each knows the other's residents.
func TestTheExamplesZonesFitTogether(t *testing.T) {
	read := func(name string) *Catalog {
		src, err := os.ReadFile("../examples/clips/" + name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(name, src)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	eu, us := read("catalog.yaml"), read("us/catalog.yaml")
	if !reflect.DeepEqual(eu.Dataset("clips").Tables, us.Dataset("clips").Tables) {
		t.Error("the tables of clips differ")
	}
	for _, name := range []string{"eu", "us"} {
		if a, b := eu.Zone(name), us.Zone(name); !slices.Equal(a.Residents, b.Residents) || !reflect.DeepEqual(a.Sites, b.Sites) {
			t.Errorf("zone %s is another in the other's catalogue", name)
		}
	}
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	for country, want := range map[string]string{"IE": "EDPB", "NO": "EDPB", "GB": "ICO", "CH": "FDPIC"} {
		if got := eu.Zone("eu").Authority(country, now); got != want {
			t.Errorf("%s speaks for residents of %s, want %s", got, country, want)
		}
	}
	if eu.ZoneOf("ashburn").Name != "us" || eu.ZoneOf("oslo") != nil {
		t.Error("the zone of a site")
	}
}

func TestEveryFaultIsReported(t *testing.T) {
	src := strings.NewReplacer("note: content", "note: prose", "residents: [IE, NO]", "residents: [xx]").Replace(small)
	_, err := Parse("c", []byte(src))
	if lines := strings.Split(err.Error(), "\n"); len(lines) < 3 || !strings.HasPrefix(lines[0], "c:") {
		t.Errorf("error = %v; want the residents, the authority and the category", err)
	}
}

func TestHostileInput(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b]\n"
	for name, src := range map[string]string{
		"empty":     "",
		"comment":   "# nothing\n",
		"scalar":    "hello",
		"list":      "- 1",
		"bomb":      bomb,
		"deep":      strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"unclosed":  strings.Repeat("{a: ", 20000),
		"big":       strings.Repeat("# x\n", MaxBytes/4+1),
		"binary":    "zones: \x00\xff",
		"null":      "zones: ~\ndatasets: ~",
		"map key":   "? {a: b}\n: c\n",
		"wrongkind": "zones: []\ndatasets: []",
	} {
		if _, err := Parse("c", []byte(src)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.HasPrefix(err.Error(), "c:") {
			t.Errorf("%s: error %q does not name the file", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("zones: {a: {residents: [IE]}}\ndatasets: {}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("c", src)
		if (c == nil) == (err == nil) {
			t.Fatal("either a catalogue or an error")
		}
		if err != nil {
			return
		}
		for _, d := range c.Datasets {
			for _, tab := range d.Tables {
				for _, p := range tab.Paths {
					for i, c := range p.Columns {
						if parent := d.Table(p.Parent); parent == nil || !hasColumn(tab, c) || !hasColumn(parent, p.ParentColumns[i]) {
							t.Fatalf("an accepted path leads nowhere: %+v", p)
						}
					}
				}
			}
		}
	})
}

func path(column, parent, parentColumn string) Path {
	return Path{[]string{column}, parent, []string{parentColumn}}
}

func hasColumn(t *Table, name string) bool { _, ok := t.Column(name); return ok }

func TestRowSecurityNeedsAHomeOfItsOwn(t *testing.T) {
	head := "zones: { eu: { residents: [IE], sites: { s: { country: IE, store: s } } } }\ndatasets:\n  d:\n    zone: eu\n    sites: [s]\n    rows: ROWS\n    tables:\n"
	near := "      p: { subject: id, home: c, columns: { id: subject, c: residence } }\n"
	far := "      p: { subject: id, home: a.c, columns: { id: subject, a_id: key } }\n      a: { via: p.a_id -> id, columns: { id: key, c: residence } }\n"
	for _, c := range []struct{ rows, tables, want string }{
		{"rls", near, ""},
		{"rls", far, "table p needs its home country in a column of its own"},
		{"rls", "      p: { subject: id, columns: { id: subject } }\n", "table p needs its home country in a column of its own"},
		{"all", near, "rows of dataset d can only be rls"},
	} {
		got, err := Parse("c", []byte(strings.Replace(head, "ROWS", c.rows, 1)+c.tables))
		if c.want == "" && (err != nil || !got.Dataset("d").RowSecurity) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("rows: %s: error = %v, want %q", c.rows, err, c.want)
		}
	}
}
