package gate

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

func exampleState(t *testing.T, grants ...access.Grant) *access.State {
	t.Helper()
	var sources []record.Source
	for kind, name := range map[string]string{"catalogue": "catalog.yaml", "countries": "countries.yaml", "directory": "directory.yaml", "duties": "duties.cedar", "policy": "rules.cedar"} {
		text, err := os.ReadFile(filepath.Join("..", "examples", "clips", name))
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, record.Source{Kind: kind, Name: name, Text: string(text)})
	}
	rules, err := access.LoadRules(sources)
	if err != nil {
		t.Fatal(err)
	}
	s := &access.State{Zone: "eu", Rules: rules, Grants: map[uint64]access.Grant{}}
	for _, g := range grants {
		g.Login, g.Dataset = "jonas", "clips"
		s.Grants[g.Seq] = g
	}
	return s
}

func TestSeveralGrantsAreNeverGuessed(t *testing.T) {
	one := access.Grant{Seq: 40, Until: 100, Sites: []string{"dublin-1"}}
	two := access.Grant{Seq: 41, Until: 100, Sites: []string{"hamar"}}
	old := access.Grant{Seq: 42, Until: 10, Sites: []string{"hamar"}}
	ended := access.Grant{Seq: 43, Until: 100, Ended: 44}
	s := exampleState(t, one, two, old, ended)
	stores := map[string]Store{"dublin-1": &PGStore{}, "hamar": &PGStore{}} // and none for dublin-2
	for _, c := range []struct {
		user, database string
		secret         uint64 // whose password was known
		grant          uint64
		site           string
		kind           fault.Kind
		hint           string
	}{
		{"jonas", "clips", 40, 0, "", fault.Ambiguous, "user=jonas~g-aabi dbname=clips.dublin-1; user=jonas~g-aabj dbname=clips.hamar"},
		{"jonas", "clips.hamar", 41, 41, "hamar", 0, ""},
		{"jonas~g-aabi", "clips", 40, 40, "dublin-1", 0, ""},
		{"jonas~g-aabi", "clips.hamar", 40, 0, "", fault.NotFound, "dublin-1"},
		{"jonas", "clips.hamar", 40, 0, "", fault.NotFound, "dublin-1"}, // one secret never opens another grant
		// 0: no secret, but a certificate of the login.
		{"jonas~g-aabi", "clips", 0, 40, "dublin-1", 0, ""},
		{"jonas", "clips.hamar", 0, 41, "hamar", 0, ""},
		{"jonas", "clips", 0, 0, "", fault.Ambiguous, "user=jonas~g-aabi dbname=clips.dublin-1"},
		{"mei", "clips", 0, 0, "", fault.Denied, "access request clips"},
		{"mei~g-aabi", "clips.dublin-1", 0, 0, "", fault.Denied, "access request clips"},
		{"jonas~g-aabk", "clips", 42, 0, "", fault.GrantEnded, "access request clips"},
		{"jonas~g-aabi", "films", 40, 0, "", fault.NotFound, "dbname=clips"},
		{"jonas~g-aabi", "clips.ashburn", 40, 0, "", fault.NotFound, "ask for access at zone us"},
		{"jonas~g-aabl", "clips", 43, 0, "", fault.GrantEnded, "access request clips"},
	} {
		g, site, err := parseTarget(c.user, c.database).choose(s, stores, c.secret, 50)
		if c.kind != 0 {
			if err == nil || err.Kind != c.kind || !strings.Contains(err.Hint, c.hint) {
				t.Errorf("%s %s: %v, %+v", c.user, c.database, err, err)
			}
			continue
		}
		if err != nil || g.Seq != c.grant || site != c.site {
			t.Errorf("%s %s: grant %d, site %q, %v", c.user, c.database, g.Seq, site, err)
		}
	}
}

func TestManyOptionsFitInOneMessage(t *testing.T) {
	var grants []access.Grant
	for seq := range uint64(300) {
		grants = append(grants, access.Grant{Seq: 1000 + seq, Until: 100})
	}
	stores := map[string]Store{"dublin-1": &PGStore{}, "dublin-2": &PGStore{}, "hamar": &PGStore{}}
	_, _, err := parseTarget("jonas", "clips").choose(exampleState(t, grants...), stores, 1000, 50)
	if err == nil || !strings.Contains(err.Message, "could mean 900 things") || !strings.HasSuffix(err.Hint, "; or one of 800 more: trefoil access list --mine") || len(err.Hint) > 20_000 {
		t.Errorf("%+v", err)
	}
}

func TestSitesWithoutAStoreAreNoOption(t *testing.T) {
	s := exampleState(t, access.Grant{Seq: 40, Until: 100})
	stores := map[string]Store{"hamar": &PGStore{}}
	if _, site, err := parseTarget("jonas", "clips").choose(s, stores, 40, 50); err != nil || site != "hamar" {
		t.Errorf("the only site with a store: %q, %v", site, err)
	}
	if _, site, err := parseTarget("jonas", "clips.dublin-1").choose(s, stores, 40, 50); err != nil || site != "dublin-1" { // then check says what is missing
		t.Errorf("a site named: %q, %v", site, err)
	}
	if _, _, err := parseTarget("jonas", "clips").choose(s, nil, 40, 50); err == nil || err.Kind != fault.StoreAway {
		t.Errorf("no store at all: %v", err)
	}
}

func TestUnknownNamesGetASteadySalt(t *testing.T) {
	seed := Seed{1}
	a, b := seed.salt("nobody", ""), seed.salt("nobody", "")
	if string(a) != string(b) || string(a) == string(seed.salt("nobody", "g-aaaa")) || string(a) == string(seed.salt("nobodyg-aaaa", "")) {
		t.Error("salts are not a function of login and grant as sent, kept apart")
	}
	if seed.Secret(7) == seed.Secret(8) || seed.Secret(7) == (Seed{2}).Secret(7) || len(seed.Secret(7)) != 52 {
		t.Error("secrets are not each grant's own")
	}
}

func TestStrangersAreCountedNotListed(t *testing.T) {
	var s strangers
	for i := range 1000 {
		s.count(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), "bad-login")
		s.count(netip.MustParseAddr("192.0.2.1"), "tls")
	}
	body, any := s.take(5)
	total := body.More
	for _, c := range body.Counts {
		total += c.Count
	}
	if !any || len(body.Counts) != maxSources || total != 2000 {
		t.Errorf("%d sources, %d attempts in all", len(body.Counts), total)
	}
	if _, any := s.take(6); any {
		t.Error("counts outlive their minute")
	}
}

// tape is a Recorder that keeps the last draft.
type tape struct{ last *record.Draft }

func (r *tape) Append(d *record.Draft) (record.Ref, error) {
	r.last = d
	return record.Ref{Seq: 9}, d.Check()
}
func (r *tape) Durable() uint64                    { return 10 }
func (r *tape) Wait(context.Context, uint64) error { return nil }
func (r *tape) part(t *testing.T, name string, v any) {
	t.Helper()
	e := r.last.Entry(record.Ref{})
	data, err := e.Part(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := record.ParseCanonical(data, v); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, data)
	}
}

func testSession(rec Recorder) *session {
	g := &Gate{record: rec}
	adm := access.Admission{Session: 12, Grant: access.Grant{Seq: 11, Scope: "case", Purpose: "support"}}
	return newSession(g, adm, access.Attempt{}, nil)
}

func TestHandWrittenBodiesAreCanonical(t *testing.T) {
	rec := &tape{}
	s := testSession(rec)
	st := pggate.Statement{Protocol: pggate.Extended, Kind: "select", SQL: []byte("SELECT \"a\\b\"\n, 'ü\x01' -- \xff"), Name: []byte("s1"), Portal: []byte("p"),
		Params: []pggate.Param{{Value: []byte("x\"y")}, {}, {Value: []byte{0, 255}, Format: 1}, {Value: []byte{}}}}
	if pos, err := s.Statement(&st); err != nil || pos != 9 {
		t.Fatal(pos, err)
	}
	var d record.Statement
	rec.part(t, record.PartDecision, &d)
	if d != (record.Statement{Grant: 11, Kind: "select", Scope: "case", Session: 12}) {
		t.Errorf("%+v", d)
	}
	var text record.StatementText
	rec.part(t, record.PartStatement, &text)
	want := record.StatementText{Name: "s1", Portal: "p", Protocol: "extended", SQL: "SELECT \"a\\b\"\n, 'ü\x01' -- \uFFFD",
		Params: []json.RawMessage{[]byte(`"x\"y"`), []byte("null"), []byte(`{"base64":"AP8="}`), []byte(`""`)}}
	if !reflect.DeepEqual(text, want) {
		t.Errorf("%+v", text)
	}
	if err := s.Result(&pggate.Result{Pos: 9, Rows: 3, Bytes: 77, Completeness: pggate.Failed, SQLState: [5]byte{'2', '2', 'P', '0', '2'}}); err != nil {
		t.Fatal(err)
	}
	var r record.Result
	rec.part(t, record.PartDecision, &r)
	if r != (record.Result{Bytes: 77, Rows: 3, State: "22P02", Statement: 9}) || rec.last.Outcome != record.Failed {
		t.Errorf("%+v, %s", r, rec.last.Outcome)
	}
}

func TestRecordingAStatementAllocatesNothing(t *testing.T) {
	s := testSession(&tape{})
	st := pggate.Statement{Protocol: pggate.Extended, Kind: "select", SQL: []byte("SELECT abalance FROM pgbench_accounts WHERE aid = $1"), Params: []pggate.Param{{Value: []byte{0, 0, 1, 2}, Format: 1}}}
	r := pggate.Result{Pos: 9, Rows: 1}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := s.Statement(&st); err != nil {
			t.Fatal(err)
		}
		if err := s.Result(&r); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a statement and its result", n)
	}
}
