package leak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
	example "github.com/trefoil-dev/trefoil/examples/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/lens"
	"github.com/trefoil-dev/trefoil/test/world"
)

// stage is a world with the first of the stores, and the lenses as compiled for them.
type stage struct {
	*world.World
	sites  []string
	lenses []*lens.Compiled
}

func newStage(tb testing.TB, last int) *stage {
	tb.Helper()
	check := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	// The people and countries of clips, with a catalogue and rules of our own.
	rules := tb.TempDir()
	check(example.Write(rules, "eu"))
	for _, name := range []string{"catalog.yaml", "rules.cedar"} {
		text, err := os.ReadFile("testdata/" + name)
		check(err)
		check(os.WriteFile(filepath.Join(rules, name), text, 0o644))
	}
	s := &stage{sites: sites[:last+1]}
	s.World = world.Of(tb, world.Example{Rules: os.DirFS(rules), Sites: s.sites, Database: "leak", Datasets: []string{"leak"}, People: []string{"jonas"},
		Load: func(ctx context.Context, c *pgcluster.Cluster, store int) error {
			return load(ctx, pgtest.Connect(tb, c.DSN("leak")), store)
		}})
	// Not earlier: statistics use up OIDs, and rows are described with those of views.
	if last == grown {
		_, err := s.admin(tb, grown).Exec(context.Background(), "ANALYZE")
		check(err)
	}
	for store := range s.sites {
		tb.Cleanup(func() { s.premise(tb, store) })
	}
	text, err := os.ReadFile("testdata/catalog.yaml")
	check(err)
	c, err := catalog.Parse("catalog.yaml", text)
	check(err)
	conn := s.admin(tb, base)
	_, err = conn.Exec(context.Background(), "SET search_path = ''") // as the gate names types
	check(err)
	var problems []string
	s.lenses, problems, err = lens.Compile(context.Background(), conn, c.Dataset("leak"))
	if err != nil || problems != nil {
		tb.Fatal(err, problems)
	}
	return s
}

// premise says so where the planner came to know one store better than another,
// which alone can give rows in another order.
func (s *stage) premise(tb testing.TB, store int) {
	tb.Helper()
	if store == grown {
		return
	}
	var known int
	err := s.admin(tb, store).QueryRow(context.Background(), "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"+
		" WHERE n.nspname IN ('public', 'trefoil') AND c.relkind = 'r' AND c.reltuples >= 0").Scan(&known)
	if err != nil || known > 0 {
		tb.Errorf("the planner has statistics of %d tables of %s, %v: what was compared by order means nothing", known, sites[store], err)
	}
}

// admin is a superuser's connection beside the gate.
func (s *stage) admin(tb testing.TB, store int) *pgx.Conn {
	return pgtest.Connect(tb, s.Stores[sites[store]].DSN("leak"))
}

// pair is two stores under a new grant of a lens, such as "masked-case".
func (s *stage) pair(tb testing.TB, name string, other int) *pair {
	tb.Helper()
	level, scope, _ := strings.Cut(name, "-")
	jonas := s.As("jonas")
	wish := world.Wish{Lens: level, Scope: scope, Sites: s.sites, For: seconds(tb) + time.Hour}
	if scope == lens.Case {
		wish.Subjects = caseKeys()
	}
	grant := jonas.MustAsk(wish)
	p := &pair{stores: [2]int{base, other}, dial: func(store int) (*session, error) {
		return dial(&jonas.Config(grant, sites[store]).Config)
	}}
	tb.Cleanup(p.close)
	return p
}

// language is the grammar over the views of a lens.
func (s *stage) language(name string, orderless bool) *language {
	level, scope, _ := strings.Cut(name, "-")
	var views []relation
	for _, v := range lens.Find(s.lenses, level, scope).Views {
		r := relation{name: v.Table}
		for _, c := range v.Columns {
			r.columns = append(r.columns, column{c.Name, familyOf(c.After), keyOf(v.Table, c.Name)})
		}
		views = append(views, r)
	}
	return newLanguage(views, constants(), orderless)
}

// keyOf says whose key a column is, so that most joins join what belongs together.
func keyOf(table, column string) string {
	switch {
	case table == "users" && column == "id", column == "user_id", column == "sender_id", column == "recipient_id":
		return "user"
	case column == "id", strings.HasSuffix(column, "_id"):
		return "row"
	}
	return ""
}

// familyOf gives the grammar's word for a type.
func familyOf(typ string) string {
	typ, _, _ = strings.Cut(typ, "(")
	switch strings.TrimSpace(typ) {
	case "bigint", "integer", "smallint":
		return "int"
	case "numeric":
		return "num"
	case "double precision", "real":
		return "float"
	case "text", "character varying":
		return "text"
	case "boolean":
		return "bool"
	case "date", "interval", "inet", "uuid", "bytea":
		return typ
	case "timestamp without time zone":
		return "ts"
	case "timestamp with time zone":
		return "tstz"
	case "jsonb":
		return "json"
	case "text[]":
		return "texts"
	case "integer[]":
		return "ints"
	case "public.mood":
		return "mood"
	}
	return "other"
}

var forms = []struct {
	family string
	shape  *regexp.Regexp
	cast   string
}{
	{"date", regexp.MustCompile(`^'\d{4}-\d\d-\d\d'$`), "::date"},
	{"tstz", regexp.MustCompile(`^'\d{4}-\d\d-\d\d \d\d:\d\d:00\+00'$`), "::timestamptz"},
	{"inet", regexp.MustCompile(`^'(\d+\.\d+\.\d+\.\d+|2001:[0-9a-f:]+)'$`), "::inet"},
	{"uuid", regexp.MustCompile(`^'[0-9a-f]{8}-0000-[0-9a-f-]+'$`), "::uuid"},
	{"text", regexp.MustCompile(`^'[^\\{(]*'$`), "::text"},
	{"int", regexp.MustCompile(`^\d{1,7}$`), ""},
}

// constants are raw values of all stores, hidden ones above all: to ask for them is
// what an attacker would do.
func constants() map[string][]string {
	out := map[string][]string{}
	for store := range sites[:grown] {
		rows := map[string][]string{}
		for _, p := range everybody(store) {
			p.rows(rows)
		}
		for _, table := range []string{"users", "addresses", "devices", "signins", "messages", "payments"} {
			for i, row := range rows[table] {
				if i%3 != 0 {
					continue
				}
				for value := range strings.SplitSeq(strings.Trim(row, "()"), ", ") {
					for _, f := range forms {
						if f.shape.MatchString(value) {
							out[f.family] = append(out[f.family], value+f.cast)
							break
						}
					}
				}
			}
		}
	}
	return out
}

const usual = 60 * time.Second

// seconds is how long to look for leaks.
func seconds(tb testing.TB) time.Duration {
	return time.Duration(number(tb, "TREFOIL_LEAK", uint64(usual/time.Second))) * time.Second
}

func number(tb testing.TB, name string, otherwise uint64) uint64 {
	tb.Helper()
	var n uint64
	if text := os.Getenv(name); text == "" {
		return otherwise
	} else if _, err := fmt.Sscan(text, &n); err != nil {
		tb.Fatalf("%s=%s is no number", name, text)
	}
	return n
}

func randomSeed() uint64 { return rand.Uint64() & 0xffffffff }
