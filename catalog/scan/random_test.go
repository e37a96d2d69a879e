package scan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/catalog"
)

// Whatever refers to whatever, a draft is consistent with itself: every path ends
// at the subject, and both of its ends name a person or neither does.
func TestRandomSchemas(t *testing.T) {
	words := []string{"id", "user_id", "email", "name", "country", "code", "note", "at", "born", "phone", "amount", "a, b", "null", "(x)", "x.y", "created_by", "é", "parent_id"}
	names := []string{"users", "customers", "staff", "orders", "address", "countries", "city", "logs", "a b", `q"t`, "teams", "profiles", "events"}
	types := []string{"int", "int", "text", "text", "uuid", "time", "date", "document", "number", "enum", "other"}
	drafted, vias, betweens := 0, 0, 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := &schema{database: "random", name: "public", byName: map[string]*table{}}
		for _, n := range names[:2+r.IntN(len(names)-1)] {
			n := &table{name: n, relkind: "r", rows: float64(r.IntN(5000)), sampled: r.IntN(2) * 100}
			for _, w := range words {
				if w != "id" && r.IntN(3) == 0 {
					continue
				}
				c := &column{name: w, family: types[r.IntN(len(types))], shown: true, notNull: r.IntN(2) == 0}
				if w == "id" {
					c.family = "int"
				}
				c.typ = c.family
				if c.family == "text" && r.IntN(3) == 0 {
					c.stats.values = 100
					c.stats.shapes[r.IntN(int(shapeCount))] = r.IntN(101)
				}
				c.guess = c.evidence()
				n.columns = append(n.columns, c)
			}
			n.primary, n.uniques = true, [][]string{{"id"}}
			s.tables, s.byName[n.name] = append(s.tables, n), n
		}
		slices.SortFunc(s.tables, func(a, b *table) int { return strings.Compare(a.name, b.name) })
		for _, n := range s.tables {
			for range r.IntN(4) {
				p := s.tables[r.IntN(len(s.tables))]
				f := &fk{parent: p.name}
				for range 1 + r.IntN(5)/4 {
					own, there := n.columns[r.IntN(len(n.columns))], p.columns[r.IntN(len(p.columns))]
					if r.IntN(2) == 0 {
						there = p.columns[0]
					}
					if !slices.Contains(f.columns, own.name) && !slices.Contains(f.parentColumns, there.name) {
						f.columns, f.parentColumns = append(f.columns, own.name), append(f.parentColumns, there.name)
					}
				}
				n.refer(f)
			}
			n.sortFKs()
		}
		d := &Draft{schema: s}
		if d.chooseSubject() != nil {
			continue
		}
		d.down()
		d.findHome()
		d.up()
		d.classify()
		d.name()
		c, err := catalog.Parse("draft", []byte(strings.NewReplacer("residents: []", "residents: [IE]", `"??"`, "IE").Replace(string(d.YAML()))))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, numbered(string(d.YAML())))
		}
		drafted++
		for _, n := range c.Datasets[0].Tables {
			switch n.Kind {
			case catalog.Via:
				vias++
			case catalog.Between:
				betweens++
			}
		}
	}
	if drafted < 300 || vias < 100 || betweens < 5 {
		t.Errorf("only %d drafts with %d via and %d between tables: the schemas are too tame", drafted, vias, betweens)
	}
}

func numbered(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		fmt.Fprintf(&b, "%4d %s\n", i+1, line)
	}
	return b.String()
}
