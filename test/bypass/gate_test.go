package bypass

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/record"
	"github.com/trefoil-dev/trefoil/test/world"
)

const site = "dublin-1"

// caseTarget is Jonas, support, with a case about one person.
func caseTarget(tb testing.TB, w *world.World) *target {
	grant := w.As("jonas").MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}})
	return gateTarget(tb, w, w.As("jonas"), grant)
}

// clearTarget is Jonas with the same case in clear; the data protection office agreed.
func clearTarget(tb testing.TB, w *world.World) *target {
	tb.Helper()
	t := gateTarget(tb, w, w.As("jonas"), agreed(tb, w, "jonas", world.Wish{Lens: "clear", Subjects: []int64{clips.CaseUser().ID}}))
	t.clear = true
	return t
}

// pseudonymousTarget is Seán with whole tables in which nobody is named.
func pseudonymousTarget(tb testing.TB, w *world.World) *target {
	tb.Helper()
	return gateTarget(tb, w, w.As("sean"), w.As("sean").MustAsk(world.Wish{Lens: "pseudonymous", Scope: "bulk", Purpose: "engineering"}))
}

// bulkTarget is Seán, engineering, with whole tables, masked; the data protection
// office agreed.
func bulkTarget(tb testing.TB, w *world.World) *target {
	tb.Helper()
	return gateTarget(tb, w, w.As("sean"), agreed(tb, w, "sean", world.Wish{Scope: "bulk", Purpose: "engineering", Case: "BUG-7"}))
}

// agreed is a grant that the data protection office has approved.
func agreed(tb testing.TB, w *world.World, login string, wish world.Wish) access.Grant {
	tb.Helper()
	out, err := w.As(login).Ask(wish)
	if err == nil {
		out, err = w.As("astrid").Verdict("approve", out.Request.Seq)
	}
	if err != nil || out.Grant == nil {
		tb.Fatalf("no grant: %+v, %v", out, err)
	}
	return *out.Grant
}

func gateTarget(tb testing.TB, w *world.World, who *world.Person, grant access.Grant) *target {
	tb.Helper()
	pem, err := os.ReadFile(filepath.Join(w.Dir, "keys", "tls.crt"))
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	store := w.Stores[site]
	conn := pgtest.Connect(tb, store.DSN("clips"))
	t := &target{
		tb: tb, addr: w.Gate, from: who.Office, tls: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"},
		user: who.Login + "~" + grant.ID(), database: "clips." + site, password: who.Secret(grant),
		store: conn, storeAddr: net.JoinHostPort(store.Host, fmt.Sprint(store.Port)), strong: "trefoil_owner",
		self: clips.CaseUser(), other: someone(tb, conn),
	}
	wrong := map[string]string{"case": "bulk", "bulk": "case"}[grant.Scope]
	if err := conn.QueryRow(context.Background(), "SELECT schema FROM trefoil.lens WHERE in_force AND scope = $1", wrong).Scan(&t.elsewhere); err != nil {
		tb.Fatal(err)
	}
	t.permit = func() {
		var role string
		if err := conn.QueryRow(context.Background(), "SELECT quote_ident(role) FROM trefoil.session ORDER BY opened DESC LIMIT 1").Scan(&role); err != nil {
			tb.Fatal(err)
		}
		t.exec("GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO " + role)
	}
	t.limit = func(d time.Duration) {
		was := w.Config.Limits.Statement
		restart := func(limit time.Duration) {
			w.Stop()
			w.Config.Limits.Statement = limit
			w.Start()
		}
		restart(d)
		tb.Cleanup(func() { restart(was) })
	}
	since := status(tb, w).Durable
	t.recorded = func() int { return recorded(tb, w, since) }
	t.revoke = func() {
		if _, err := w.As("astrid").Verdict("revoke", grant.Seq); err != nil {
			tb.Fatal(err)
		}
		t.await("SELECT NOT EXISTS (SELECT FROM trefoil.session WHERE grant_id = $1)", int64(grant.Seq))
	}
	t.noticed = func() {
		for stop := time.Now().Add(patience); time.Now().Before(stop); {
			if c := t.with(); c.over {
				return
			} else {
				c.leave()
			}
		}
		tb.Fatal("the gate still opens sessions")
	}
	return t
}

// call asks the instance's API over the operators' socket.
func call(tb testing.TB, w *world.World, path string, out any) {
	tb.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", w.Config.Socket())
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get("http://trefoil" + path)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
}

func status(tb testing.TB, w *world.World) (s api.Status) {
	tb.Helper()
	call(tb, w, "/v1/status", &s)
	return s
}

// recorded reads the log from an entry on, up to the end of the first session that
// was opened since, and gives the rows its results name. Earlier sessions may still
// be ending.
func recorded(tb testing.TB, w *world.World, from uint64) (rows int) {
	tb.Helper()
	var session uint64
	for {
		var page []api.Entry
		call(tb, w, fmt.Sprintf("/v1/entries?wait=10s&from=%d", from), &page)
		if len(page) == 0 {
			tb.Fatal("the session's end is not in the log")
		}
		for _, e := range page {
			switch {
			case session == 0 && strings.Contains(e.Leaf, "kind "+string(record.KindSession)+"\n"):
				session = from
			case strings.Contains(e.Leaf, "kind "+string(record.KindResult)+"\n"):
				var r record.Result
				body(tb, e, &r)
				if session != 0 && r.Statement > session {
					rows += int(r.Rows)
				}
			case strings.Contains(e.Leaf, "kind "+string(record.KindEnd)+"\n"):
				var end record.End
				body(tb, e, &end)
				if end.Session != session {
					break
				}
				if int(end.Rows) != rows {
					tb.Errorf("the end of the session counts %d rows and its results %d", end.Rows, rows)
				}
				return rows
			}
			from++
		}
	}
}

func body(tb testing.TB, e api.Entry, out any) {
	tb.Helper()
	for _, p := range e.Parts {
		if p.Name == record.PartDecision {
			if err := json.Unmarshal(p.JSON, out); err != nil {
				tb.Fatal(err)
			}
		}
	}
}
