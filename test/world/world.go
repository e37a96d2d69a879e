// Package world is what stories across packages are told in: two real stores
// with the clips dataset, one running instance, and the people of
// examples/clips, each with an SSH key. Used by tests only.
//
//	w := world.New(tb)
//	jonas := w.As("jonas")
//	grant := jonas.MustAsk(world.Wish{Purpose: "support", Case: "4711", Subjects: []int64{id}})
//	conn := jonas.Connect(grant, "dublin-1")
//
// People connect from an address of their office (127.1.0.1 is Dublin), because
// 127.x.y.z stands for countries in examples/clips/countries.yaml.
package world

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/gate"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/internal/testbin"
	"github.com/trefoil-dev/trefoil/lens"
	"github.com/trefoil-dev/trefoil/record"
)

// Sites of zone eu that have a store in most stories, in the catalogue's order.
// dublin-2 stands in the catalogue and has none; Zone starts what it is told.
var Sites = []string{"dublin-1", "hamar"}

// World is one running instance and what it stands in front of.
type World struct {
	tb     testing.TB
	of     Example
	Dir    string // of the instance
	Config *app.Config
	App    *app.App
	Stores map[string]*pgcluster.Cluster // by site
	Gate   string                        // host:port
	keys   map[string]ssh.Signer
	Log    io.Writer // of the instance, JSON lines; nil discards
}

// New starts the world of clips; it ends with the test. It takes about three seconds.
func New(tb testing.TB) *World {
	tb.Helper()
	return Of(tb, Clips(tb, "eu", Sites...))
}

// Zone starts the world of a zone of clips, with stores at these of its sites.
func Zone(tb testing.TB, zone string, sites ...string) *World {
	tb.Helper()
	return Of(tb, Clips(tb, zone, sites...))
}

// Of starts the world of an example.
func Of(tb testing.TB, of Example) *World {
	tb.Helper()
	of.Zone = or(of.Zone, "eu")
	w := &World{tb: tb, of: of, Dir: tb.TempDir(), Stores: make(map[string]*pgcluster.Cluster), keys: make(map[string]ssh.Signer), Log: io.Discard}
	ctx := context.Background()
	for i, site := range of.Sites {
		c := pgtest.New(tb)
		w.Stores[site] = c
		pgtest.Create(tb, c, of.Database)
		w.check(of.Load(ctx, c, i))
	}
	w.init()
	for _, site := range of.Sites {
		w.fence(site)
	}
	w.Start()
	tb.Cleanup(w.Stop)
	w.Publish(nil)
	for _, login := range of.People {
		w.enrol(login)
	}
	return w
}

func (w *World) check(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

func (w *World) origin() string { return "trefoil.example/" + w.of.Zone }

// init makes the instance's directory.
func (w *World) init() {
	hosts := []string{"localhost", "127.0.0.1"}
	_, err := app.Init(app.InitOptions{Dir: w.Dir, Zone: w.of.Zone, Origin: w.origin(), Hosts: hosts, Clock: time.Now})
	w.check(err)
	path := filepath.Join(w.Dir, "trefoil.yaml")
	text, err := os.ReadFile(path)
	w.check(err)
	stores := "stores:\n"
	for _, site := range w.of.Sites {
		stores += fmt.Sprintf("  %s: {connect: \"host=127.0.0.1 port=%d dbname=%s user=trefoil_gate sslmode=disable\", password_file: keys/%s.password}\n", site, w.Stores[site].Port, w.of.Database, site)
	}
	w.Gate = testbin.FreeAddr(w.tb)
	set := strings.NewReplacer("127.0.0.1:6432", w.Gate, "127.0.0.1:6433", testbin.FreeAddr(w.tb), "stores: {}", stores)
	w.check(os.WriteFile(path, []byte(set.Replace(string(text))), 0o644))
	w.check(os.CopyFS(filepath.Join(w.Dir, "rules"), w.of.Rules))
	w.Config, err = app.LoadConfig(path)
	w.check(err)
}

// fence applies the lenses to a site's store.
func (w *World) fence(site string) {
	ctx := context.Background()
	path := w.Config.Path(w.Config.Stores[site].PasswordFile)
	w.check(app.NewPassword(path))
	password, err := app.ReadPassword(path)
	w.check(err)
	verifier, err := gate.Verifier(password)
	w.check(err)
	conn := pgtest.Connect(w.tb, w.Stores[site].DSN(w.of.Database))
	sources, err := w.Config.Sources()
	w.check(err)
	for _, name := range w.of.Datasets {
		plan, err := lens.NewPlan(ctx, conn, rules(w.tb, sources).Catalog.Dataset(name), lens.Options{GateVerifier: verifier, ReplacePassword: true})
		w.check(err)
		w.check(lens.Apply(ctx, conn, plan))
	}
}

// Start runs the instance; Stop ends it in order. Both may be repeated.
func (w *World) Start() {
	w.tb.Helper()
	a, err := app.New(w.Config, app.Deps{Logger: slog.New(slog.NewJSONHandler(w.Log, nil))})
	w.check(err)
	w.App = a
	w.check(a.Start())
}

// Stop ends the instance if it runs.
func (w *World) Stop() {
	if w.App == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.App.Stop(ctx); err != nil {
		w.tb.Errorf("the instance did not stop in order: %v", err)
	}
	w.App = nil
}

// Publish puts the example's rules in force, with changes by kind of source.
func (w *World) Publish(change map[string]func(text string) string) {
	w.tb.Helper()
	sources, err := w.Config.Sources()
	w.check(err)
	for i, s := range sources {
		if f := change[s.Kind]; f != nil {
			sources[i].Text = f(s.Text)
		}
	}
	_, _, err = w.App.Register().Publish(context.Background(), operator(), sources, "")
	w.check(err)
}

func operator() record.Actor {
	uid := os.Getuid()
	return record.Actor{UID: &uid}
}

func (w *World) enrol(login string) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	w.check(err)
	w.keys[login], err = ssh.NewSignerFromKey(key)
	w.check(err)
	_, err = w.App.Register().Enrol(context.Background(), operator(), login, ssh.MarshalAuthorizedKey(w.keys[login].PublicKey()))
	w.check(err)
}
