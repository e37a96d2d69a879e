package scan_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/catalog/scan"
	example "github.com/trefoil-dev/trefoil/examples/clips"
	"github.com/trefoil-dev/trefoil/internal/clips"
)

// The draft of the example agrees with the catalogue that people wrote for it,
// but for what is listed here.
func TestClips(t *testing.T) {
	conn := database(t)
	if err := clips.Load(ctx, conn, clips.Options{Scale: 0.01}); err != nil {
		t.Fatal(err)
	}
	text := draft(t, conn, scan.Options{})
	got := accepted(t, conn, text)
	src, err := example.Files.ReadFile("catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Parse("catalog.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	want := c.Dataset("clips")
	if s, w := got.Subject(), want.Subject(); s.Name != w.Name || s.Key != w.Key || s.Home != w.Home {
		t.Errorf("subject %s.%s with home %v", s.Name, s.Key, s.Home)
	}
	differ := map[string]string{}
	for _, w := range want.Tables {
		g := got.Table(w.Name)
		if g == nil {
			t.Errorf("table %s is unclassified", w.Name)
			continue
		}
		if g.Kind != w.Kind || !slices.EqualFunc(g.Paths, w.Paths, catalog.Path.Equal) {
			t.Errorf("table %s is %s by %v, want %s by %v", w.Name, g.Kind, g.Paths, w.Kind, w.Paths)
		}
		for _, wc := range w.Columns {
			gc, _ := g.Column(wc.Name)
			if gc != wc {
				differ[w.Name+"."+wc.Name] = string(gc.Category) + "/" + string(gc.Mask) + ", not " + string(wc.Category) + "/" + string(wc.Mask)
			}
		}
		if len(g.Columns) > len(w.Columns) {
			t.Errorf("table %s has columns %v", w.Name, g.Columns)
		}
	}
	known := map[string]string{ // amounts are hidden until somebody says otherwise
		"orders.amount_cents": "financial/hide, not financial/keep", "orders.currency": "financial/hide, not financial/keep",
	}
	if !maps.Equal(differ, known) {
		t.Errorf("differences: %v\nwant: %v", differ, known)
	}
}
