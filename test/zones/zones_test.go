// Package zones tells what people meet who have several grants, several sites and
// two zones: real stores at all four sites, a gate for each zone, and psql.
package zones

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/test/world"
)

// connect runs psql against a gate as somebody would type it, with the password of
// a grant, from 127.0.0.1, and gives what it printed on both streams.
func connect(t *testing.T, w *world.World, p *world.Person, g access.Grant, target, sql string) string {
	t.Helper()
	host, port, _ := strings.Cut(w.Gate, ":")
	var bin string
	for _, c := range w.Stores {
		bin = c.Bin
	}
	conn := fmt.Sprintf("host=%s port=%s sslmode=verify-full sslrootcert=%s %s", host, port, filepath.Join(w.Dir, "keys", "tls.crt"), target)
	cmd := exec.Command(filepath.Join(bin, "psql"), "-X", "-At", conn, "-c", sql)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+p.Secret(g))
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "FATAL") {
		t.Fatalf("%s: %v\n%s", target, err, out)
	}
	return strings.TrimSpace(string(out))
}

var offered = regexp.MustCompile(`user=jonas~g-[a-z2-7]+ dbname=clips\.[a-z0-9-]+`)

func TestSeveralGrantsAndSites(t *testing.T) {
	w := world.Zone(t, "eu", "dublin-1", "dublin-2", "hamar")
	jonas := w.As("jonas")
	ids := "SELECT string_agg(id::text, ' ') FROM users"
	aoife, jack := clips.CaseUser(), clips.Londoner() // at the first site and at the third

	first := jonas.MustAsk(world.Wish{Subjects: []int64{aoife.ID}})
	out := connect(t, w, jonas, first, "user=jonas dbname=clips", ids)
	want := []string{}
	for _, site := range []string{"dublin-1", "dublin-2", "hamar"} {
		want = append(want, "user=jonas~"+first.ID()+" dbname=clips."+site)
	}
	if got := offered.FindAllString(out, -1); !slices.Equal(got, want) || !strings.Contains(out, "user=jonas dbname=clips could mean 3 things") {
		t.Fatalf("one grant, three sites:\n%s", out)
	}
	if out := connect(t, w, jonas, first, "user=jonas dbname=clips.dublin-1", ids); out != fmt.Sprint(aoife.ID) {
		t.Errorf("one grant, its site named: %s", out)
	}

	second := jonas.MustAsk(world.Wish{Case: "4712", Subjects: []int64{jack.ID}, Sites: []string{"dublin-2", "hamar"}})
	for _, c := range []struct {
		target string
		want   []string // what is offered
	}{
		{"user=jonas dbname=clips", []string{want[0], want[1], want[2], "user=jonas~" + second.ID() + " dbname=clips.dublin-2", "user=jonas~" + second.ID() + " dbname=clips.hamar"}},
		{"user=jonas dbname=clips.hamar", []string{want[2], "user=jonas~" + second.ID() + " dbname=clips.hamar"}},
		{"user=jonas~" + first.ID() + " dbname=clips", want},
	} {
		out := connect(t, w, jonas, first, c.target, ids)
		if got := offered.FindAllString(out, -1); !slices.Equal(got, c.want) || !strings.Contains(out, fmt.Sprintf("%s could mean %d things", c.target, len(c.want))) {
			t.Errorf("%s:\n%s\nwant each of %q", c.target, out, c.want)
		}
	}
	// Each string of a refusal works as it stands, with its own grant's secret.
	seen := map[string]int{}
	for _, target := range offered.FindAllString(connect(t, w, jonas, second, "user=jonas dbname=clips", ids), -1) {
		g := first
		if strings.Contains(target, second.ID()) {
			g = second
		}
		out := connect(t, w, jonas, g, target, ids)
		if strings.Contains(out, "FATAL") {
			t.Errorf("%s was offered: %s", target, out)
		}
		seen[out]++
	}
	if seen[fmt.Sprint(aoife.ID)] != 1 || seen[fmt.Sprint(jack.ID)] != 1 || seen[""] != 3 {
		t.Errorf("who was seen where: %v; each lives at one site", seen)
	}

	for target, says := range map[string]string{
		"user=jonas~" + second.ID() + " dbname=clips.dublin-1": "HINT:  its sites are dublin-2, hamar",
		"user=jonas~" + second.ID() + " dbname=clips.oslo":     `does not reach dataset clips at "oslo"`,
		"user=jonas~" + second.ID() + " dbname=clips.ashburn":  "site ashburn lies in zone us; this is the gate of zone eu",
		"user=jonas~" + first.ID() + " dbname=clips.hamar":     "authentication failed", // it is the other's secret
	} {
		if out := connect(t, w, jonas, second, target, ids); !strings.Contains(out, says) {
			t.Errorf("%s:\n%s\nwant %q", target, out, says)
		}
	}

	// The authority of each resident, as the rules in force name it.
	zone := w.App.Register().State().Rules.Catalog.Zone("eu")
	for country, authority := range map[string]string{aoife.Country: "EDPB", jack.Country: "ICO", "CH": "FDPIC"} {
		if got := zone.Authority(country, first.From); got != authority {
			t.Errorf("%s speaks for residents of %s, not %s", got, country, authority)
		}
	}
}

func TestZonesHaveTheirOwnRules(t *testing.T) {
	eu, us := world.Zone(t, "eu", "dublin-1"), world.Zone(t, "us", "ashburn")
	noah := clips.NewYorker()

	t.Run("the support of one zone is nobody in the other", func(t *testing.T) {
		for _, c := range []struct {
			w           *world.World
			login, rule string
		}{{us, "jonas", "vetted-staff"}, {eu, "ruth", "support-case"}} {
			out, err := c.w.As(c.login).Ask(world.Wish{Subjects: []int64{noah.ID}})
			if err != nil || out.Grant != nil || out.Refusal.Rule != c.rule {
				t.Errorf("%s: %+v, %v", c.login, out.Refusal, err)
			}
		}
	})

	t.Run("a session in us", func(t *testing.T) {
		ruth := us.As("ruth")
		g := ruth.MustAsk(world.Wish{Subjects: []int64{noah.ID}})
		conn := ruth.Connect(g, "ashburn")
		var id int64
		var name, country string
		if err := conn.QueryRow(context.Background(), "SELECT id, full_name, country FROM users").Scan(&id, &name, &country); err != nil {
			t.Fatal(err)
		}
		if id != noah.ID || name != "N. P." || country != "US" {
			t.Errorf("%d, %q, %s", id, name, country)
		}
		// From an office outside the zone the same grant opens nothing.
		if out := connect(t, us, ruth, g, "user=ruth dbname=clips", "SELECT 1"); !strings.Contains(out, "it lacks \"IE\"") {
			t.Errorf("from Dublin: %s", out)
		}
		for _, lens := range []string{"clear", "pseudonymous"} {
			if out, err := ruth.Ask(world.Wish{Lens: lens, Subjects: []int64{noah.ID}}); err != nil || out.Grant != nil {
				t.Errorf("%s: %+v, %v", lens, out.Grant, err)
			}
		}
	})

	t.Run("one person in both", func(t *testing.T) {
		wish := world.Wish{Purpose: "break-glass", Subjects: []int64{noah.ID}}
		here, there := eu.As("sean"), us.As("sean")
		inEU, inUS := here.MustAsk(wish), there.MustAsk(wish)
		count := "SELECT count(*) FROM users"
		if out := connect(t, eu, here, inEU, "user=sean dbname=clips", count); out != "0" {
			t.Errorf("a resident of zone us, looked for in zone eu: %s", out)
		}
		if out := connect(t, us, there, inUS, "user=sean dbname=clips", count); out != "1" {
			t.Errorf("a resident of zone us: %s", out)
		}
		if out := connect(t, us, here, inEU, "user=sean dbname=clips", count); !strings.Contains(out, "authentication failed") {
			t.Errorf("a secret of zone eu at the gate of zone us: %s", out)
		}
		if out := connect(t, us, there, inUS, "user=sean dbname=clips.dublin-1", count); !strings.Contains(out, "site dublin-1 lies in zone eu; this is the gate of zone us") {
			t.Errorf("a site of zone eu at the gate of zone us: %s", out)
		}
	})
}
