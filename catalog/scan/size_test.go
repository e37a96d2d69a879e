package scan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/catalog"
)

// A draft stays within what a catalogue may have in bytes, at the cost of
// reasons, not of tables.
func TestLargeDraftsAreTerse(t *testing.T) {
	s := &schema{database: "large", name: "public", byName: map[string]*table{}}
	add := func(name string, p proposal, columns ...*column) *table {
		n := &table{name: name, relkind: "r", proposal: p, columns: columns}
		s.tables, s.byName[name] = append(s.tables, n), n
		return n
	}
	reason := strings.Repeat("because it is so ", 5)
	d := &Draft{schema: s, key: "id"}
	d.subject = add("users", proposal{kind: catalog.Subject}, &column{name: "id", guess: guess{category: catalog.SubjectKey, why: reason}})
	path := []*fk{{columns: []string{"user_id"}, parent: "users", parentColumns: []string{"id"}}}
	for i := range 2000 {
		n := add(fmt.Sprintf("t%04d", i), proposal{kind: catalog.Child, depth: 1, paths: path, why: reason},
			&column{name: "user_id", guess: guess{category: catalog.SubjectKey, why: reason}}, &column{name: "unknown", guess: guess{why: reason}})
		for k := range 10 {
			n.columns = append(n.columns, &column{name: fmt.Sprintf("c%d", k), guess: guess{category: catalog.Behaviour, mask: catalog.Keep, why: reason, ask: k == 9 && i%100 == 0}})
		}
	}
	d.name()
	text := d.YAML()
	if len(text) > catalog.MaxBytes {
		t.Fatalf("%d bytes are more than a catalogue may have", len(text))
	}
	c, err := catalog.Parse("draft", []byte(strings.NewReplacer("residents: []", "residents: [IE]", `"??"`, "IE").Replace(string(text))))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Datasets[0].Tables); n != 2001 {
		t.Errorf("%d tables of 2001 are left", n)
	}
	if n := strings.Count(string(text), "# CONFIRM: because"); n != 20 {
		t.Errorf("%d questions of 20 are left", n)
	}
}
