package clips

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

var shared *pgcluster.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &shared)) }

var small = Options{Scale: 0.01, Sites: 2} // 2,000 users on the platform

func load(t *testing.T, o Options) *pgx.Conn {
	t.Helper()
	conn := pgtest.Connect(t, pgtest.DB(t, shared))
	if err := Load(context.Background(), conn, o); err != nil {
		t.Fatal(err)
	}
	return conn
}

func one[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// content is a digest of every row as PostgreSQL shows it.
func content(t *testing.T, conn *pgx.Conn) string {
	h := sha256.New()
	for _, tab := range tables {
		order := "id"
		if tab.name == "countries" {
			order = "code"
		}
		io.WriteString(h, one[string](t, conn, "select md5(string_agg(x::text, E'\\n' order by "+order+")) from "+tab.name+" x"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestTwoLoadsAreEqual(t *testing.T) {
	a, b := content(t, load(t, small)), content(t, load(t, small))
	if a != b {
		t.Errorf("digests %s and %s", a, b)
	}
	other := small
	other.Site = 1
	if content(t, load(t, other)) == a {
		t.Error("both sites hold the same rows")
	}
}

// TestBytesStayTheSame holds the generator to its own past: stories, transcripts
// and documents quote its rows. A change here is a new version of the dataset.
func TestBytesStayTheSame(t *testing.T) {
	s, err := newStore(small)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, tab := range tables {
		if _, err := io.Copy(h, newReader(s, tab)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "1875afbc7edd0bbefcb99315190bd2ea8222467119d9d64b7ad851032220dc22"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestRowsHangTogether(t *testing.T) {
	conn := load(t, small) // foreign keys and unique handles hold, or Load had failed
	for _, c := range []struct{ what, sql string }{
		{"messages to oneself", "select count(*) from messages where sender_id = recipient_id"},
		{"sign-ins on somebody else's device", "select count(*) from signins s join devices d on d.id = s.device_id where d.user_id <> s.user_id"},
		{"sign-ins before the device", "select count(*) from signins s join devices d on d.id = s.device_id where s.at < d.created_at"},
		{"rows of the future", "select count(*) from (select at from signins union all select at from views union all select at from messages union all select at from orders union all select uploaded_at from videos union all select created_at from users) x where at >= '2026-07-01Z'"},
		{"rows before their user", "select count(*) from users u join (select user_id, at from signins union all select user_id, at from views union all select sender_id, at from messages union all select user_id, at from orders) x on x.user_id = u.id where x.at < u.created_at"},
		{"people younger than 13", "select count(*) from users where born > '2013-07-01'"},
		{"children who joined", "select count(*) from users where created_at < born + interval '13 years' - interval '9 days'"},
		{"real mail domains", `select count(*) from users where email !~ '^[a-z.0-9]+@[a-z]+\.example$'`},
		{"real networks", "select count(*) from signins where not (ip << '100.64.0.0/10' or ip << '2001:db8::/32')"},
		{"odd phones", `select count(*) from users where phone !~ '^\+[1-9][0-9]{0,2}555[0-9]{6}$'`},
		{"places far from home", "select count(*) from signins s join users u on u.id = s.user_id where u.country = 'IE' and (lat not between 52.8 and 53.9 or lon not between -6.8 and -5.7)"},
		{"escapes", `select count(*) from (select body from messages union all select title from videos union all select bio from users union all select ship_address from orders) x where body ~ '[%\\]'`},
	} {
		if n := one[int](t, conn, c.sql); n != 0 {
			t.Errorf("%s: %d", c.what, n)
		}
	}
	for _, q := range []string{
		"select count(*) from messages where body like '%@%.example%'", // personal data in free text
		"select count(*) from users where bio is null",
		"select count(*) from users where phone is null",
		"select count(*) from signins where family(ip) = 6",
		"select count(*) from signins where lat is null",
		"select count(*) from users where born > '2008-07-01'", // minors
	} {
		if n := one[int](t, conn, q); n == 0 {
			t.Errorf("%s: none", q)
		}
	}
}

func TestStoresOfTheZoneHoldItsResidents(t *testing.T) {
	conn := load(t, small)
	if n := one[int](t, conn, "select count(*) from countries"); n != 60 {
		t.Errorf("%d countries, want 60", n)
	}
	foreign := one[int](t, conn, "select count(*) from users where country in ('US', 'JP', 'BR', 'IN', 'TR', 'UA')")
	if foreign != 0 {
		t.Errorf("%d residents of other zones in a store of zone eu", foreign)
	}
	conn = load(t, Options{Scale: 0.01, Zone: "us"})
	if n := one[int](t, conn, "select count(*) from users where country not in ('US', 'JP', 'BR', 'IN', 'TR', 'UA')"); n == 0 {
		t.Error("zone us has residents of six countries only")
	}
	if n := one[int](t, conn, "select count(*) from users where country in ('IE', 'NO', 'GB', 'CH', 'DE', 'FR')"); n != 0 {
		t.Errorf("%d residents of zone eu in a store of zone us", n)
	}
	all := small
	all.Everywhere = true
	conn = load(t, all)
	if n := one[int](t, conn, "select count(*) from users"); n != 1000 {
		t.Errorf("%d users at one of two sites, want 1000", n)
	}
	if n := one[int](t, conn, "select count(*) from users where country in ('US', 'JP', 'BR', 'IN', 'TR', 'UA')"); n == 0 {
		t.Error("everywhere leaves out the rest of the world")
	}
}

func TestSitesShareTheUsers(t *testing.T) {
	for _, sites := range []int{1, 2, 3, 10} {
		seen := map[int64]int{}
		stores := []Options{{Scale: 0.001, Zone: "us"}}
		for site := range sites {
			stores = append(stores, Options{Scale: 0.001, Zone: "eu", Site: site, Sites: sites})
		}
		for site, o := range stores {
			s, err := newStore(o)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.videos) == 0 || len(s.ids) < 2 {
				t.Errorf("site %d of %d has %d users and %d videos: nothing to see and nobody to write to", site, sites, len(s.ids), len(s.videos))
			}
			for _, id := range s.ids {
				seen[id]++
			}
		}
		for id := int64(firstID); id < firstID+minUsers; id++ {
			if seen[id] != 1 {
				t.Errorf("%d sites in eu, one in us: user %d is at %d of them, want 1", sites, id, seen[id])
			}
		}
	}
}

func TestSixtyCountriesAtScale1(t *testing.T) {
	sum, eu := 0, 0
	codes := map[string]bool{}
	for i, c := range countries {
		sum += c.weight
		codes[c.code] = true
		if c.eu {
			eu++
		}
		if i > 0 && countries[i-1].code >= c.code {
			t.Errorf("%s is out of order", c.code)
		}
		if len(namesOf[c.names].given) < 16 || len(namesOf[c.names].family) < 16 {
			t.Errorf("%s has too few names", c.code)
		}
	}
	if sum != weightSum || len(codes) != 60 || eu != 32 {
		t.Errorf("weights %d, countries %d, in zone eu %d; want %d, 60, 32 (EEA 30, GB, CH)", sum, len(codes), eu, weightSum)
	}
	homes := map[int]int{}
	inZone := 0
	for id := int64(firstID); id < firstID+UsersAtScale1; id++ {
		h := homeOf(id)
		homes[h]++
		if countries[h].eu {
			inZone++
		}
	}
	if len(homes) != 60 {
		t.Errorf("users live in %d countries, want 60", len(homes))
	}
	if inZone < 119_000 || inZone > 120_200 {
		t.Errorf("%d users live in zone eu, the documentation says 119,600", inZone)
	}
}

func TestHandlesAreFolded(t *testing.T) {
	for _, n := range namesOf {
		for _, name := range append(append([]string{}, n.given...), n.family...) {
			f := fold(name)
			if len(f) < len([]rune(name)) { // a letter was dropped, not replaced
				t.Errorf("%s became %q", name, f)
			}
		}
	}
	if got := fold("Łukasz Østergård-Đặng"); got != "lukaszostergarddang" {
		t.Errorf("fold: %q", got)
	}
}

func TestPeopleOfTheStories(t *testing.T) {
	aoife, nora := CaseUser(), Journalist()
	if aoife.Country != "IE" || nora.Country != "DE" || aoife.Handle != "aoife.brennan" || nora.Handle != "norafeldmann" {
		t.Errorf("%+v, %+v", aoife, nora)
	}
	if l, n := Londoner(), NewYorker(); l.Country != "GB" || n.Country != "US" {
		t.Errorf("%+v, %+v", l, n)
	}
	for _, o := range []struct {
		id int64
		o  Options
	}{{londonerID, Options{Scale: 0.001, Site: 2, Sites: 3}}, {newYorkerID, Options{Scale: 0.001, Zone: "us"}}, {journalistID, Options{Scale: 0.001, Site: 1, Sites: 3}}} {
		if s, err := newStore(o.o); err != nil || !slices.Contains(s.ids, o.id) {
			t.Errorf("%d is not where the stories say: %+v, %v", o.id, o.o, err)
		}
	}
	for _, c := range []struct {
		p    Person
		site int
	}{{aoife, 0}, {nora, 1}} {
		o := Options{Scale: 0.001, Site: c.site, Sites: 2}
		conn := load(t, o)
		if got := one[string](t, conn, "select full_name||' '||email||' '||country from users where id = $1 and handle = $2", c.p.ID, c.p.Handle); got != c.p.Name+" "+c.p.Email+" "+c.p.Country {
			t.Errorf("the store has %q, want %+v", got, c.p)
		}
		for _, tab := range []string{"devices", "signins", "videos", "views", "orders"} {
			if n := one[int](t, conn, "select count(*) from "+tab+" where user_id = $1", c.p.ID); n == 0 {
				t.Errorf("%s has no %s", c.p.Name, tab)
			}
		}
		if n := one[int](t, conn, "select count(distinct ip) from signins where user_id = $1", c.p.ID); n < 5 {
			t.Errorf("%s signed in from %d addresses", c.p.Name, n)
		}
	}
}

func TestSchemaIsWhatLoadMakes(t *testing.T) {
	describe := `select string_agg(x, E'\n' order by x) from (
		select table_name||'.'||column_name||' '||data_type||' '||is_nullable from information_schema.columns where table_schema = 'public'
		union all select indexdef from pg_indexes where schemaname = 'public'
		union all select conrelid::regclass||' '||pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace) y(x)`
	empty := pgtest.Connect(t, pgtest.DB(t, shared))
	if _, err := empty.Exec(context.Background(), Schema()); err != nil {
		t.Fatal(err)
	}
	want := one[string](t, empty, describe)
	loaded := load(t, Options{Scale: 0.001})
	if got := one[string](t, loaded, describe); got != want {
		t.Errorf("loaded:\n%s\nschema:\n%s", got, want)
	}
	unindexed := one[string](t, loaded, `select coalesce(string_agg(conrelid::regclass||' '||conkey::text, ', '), '') from pg_constraint c
		where contype = 'f' and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])`)
	if unindexed != "" {
		t.Errorf("foreign keys without an index: %s", unindexed)
	}
}

func TestLoadTwiceAndFailures(t *testing.T) {
	ctx := context.Background()
	var lines []string
	o := Options{Scale: 0.001, Progress: func(table string, done, total int64) {
		if done == total {
			lines = append(lines, table)
		}
	}}
	conn := load(t, o)
	if got := strings.Join(lines, " "); got != "countries users devices signins videos views messages orders" {
		t.Errorf("progress finished: %s", got)
	}
	if err := Load(ctx, conn, o); !errors.Is(err, ErrLoaded) {
		t.Errorf("second load: %v", err)
	}
	for _, bad := range []Options{{Scale: -1}, {Scale: 1e9}, {Site: 2, Sites: 2}, {Site: -1}, {Sites: 11}, {Zone: "mars"}} {
		if err := Load(ctx, conn, bad); err == nil || errors.Is(err, ErrLoaded) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	// A load that is cut off leaves nothing.
	conn = pgtest.Connect(t, pgtest.DB(t, shared))
	cut, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := Load(cut, conn, Options{Scale: 0.001, Progress: func(table string, _, _ int64) {
		if table == "views" {
			cancel()
		}
	}}); err == nil {
		t.Fatal("a cancelled load succeeded")
	}
	conn = pgtest.Connect(t, conn.Config().ConnString())
	if n := one[int](t, conn, "select count(*) from pg_class where relnamespace = 'public'::regnamespace"); n != 0 {
		t.Errorf("a cancelled load left %d relations", n)
	}
}

// BenchmarkLoad is one of two sites at scale 1.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		conn := pgtest.Connect(b, pgtest.DB(b, shared))
		if err := Load(context.Background(), conn, Options{Sites: 2}); err != nil {
			b.Fatal(err)
		}
		conn.Close(context.Background())
	}
}

// BenchmarkGenerate is the generator's own part of it.
func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		s, err := newStore(Options{Sites: 2})
		if err != nil {
			b.Fatal(err)
		}
		for _, tab := range tables {
			if _, err := io.Copy(io.Discard, newReader(s, tab)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
