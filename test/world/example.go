package world

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	example "github.com/trefoil-dev/trefoil/examples/clips"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// Example is what a world is made from: rules, and the stores they speak of.
type Example struct {
	Rules    fs.FS                                                           // by base name, as in examples/clips
	Zone     string                                                          // eu unless given
	Sites    []string                                                        // of the zone; each has a store of its own
	Database string                                                          // in each store
	Datasets []string                                                        // that each store has lenses of; the first is what a Wish asks for
	People   []string                                                        // who get a key
	Offices  map[string]string                                               // the addresses people connect from, where not 127.1.0.1
	Load     func(ctx context.Context, c *pgcluster.Cluster, site int) error // fills the empty database
}

// Clips is a zone of the example of clips, with few people in it.
func Clips(tb testing.TB, zone string, sites ...string) Example {
	rules := filepath.Join(tb.TempDir(), "rules")
	if err := example.Write(rules, zone); err != nil {
		tb.Fatal(err)
	}
	return Example{
		Rules: os.DirFS(rules), Zone: zone, Sites: sites, Database: "clips", Datasets: []string{"clips"},
		People:  []string{"jonas", "mei", "viktor", "diana", "astrid", "sean", "aoife", "niamh", "ruth"},
		Offices: map[string]string{"mei": "127.9.0.1", "astrid": "127.2.0.1", "ruth": "127.3.0.1"},
		Load: func(ctx context.Context, c *pgcluster.Cluster, site int) error {
			conn := pgtest.Connect(tb, c.DSN("clips"))
			return clips.Load(ctx, conn, clips.Options{Scale: 0.01, Zone: zone, Site: site, Sites: len(sites)})
		},
	}
}
