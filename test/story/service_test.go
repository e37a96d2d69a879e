package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/record"
	"github.com/trefoil-dev/trefoil/test/world"
)

func TestAServiceOfAPerson(t *testing.T) {
	w := world.New(t)
	w.Stop()
	w.Config.Limits.PerService = 3
	w.Start()
	w.Publish(map[string]func(string) string{"directory": func(text string) string {
		return text + "\nservices:\n  replies: {name: Suggested replies, owner: jonas}\n"
	}})
	jonas, replies := w.As("jonas"), w.As("replies")
	ask := func(id int64, reference string) access.Grant {
		return jonas.MustAsk(world.Wish{Subjects: []int64{id}, Case: reference, Service: "replies"})
	}
	grant := ask(clips.CaseUser().ID, "4711")
	admin := pgtest.Connect(t, w.Stores["dublin-1"].DSN("clips"))
	ctx := context.Background()

	t.Run("its owner does not get in with the service's grant", func(t *testing.T) {
		if _, err := jonas.Dial(grant, "dublin-1"); err == nil {
			t.Error("but did")
		}
	})

	t.Run("all sessions of a grant share a role, which goes with the last", func(t *testing.T) {
		a, b := replies.Connect(grant, "dublin-1"), replies.Connect(grant, "dublin-1")
		role := one[string](t, a, "SELECT session_user")
		if other := one[string](t, b, "SELECT session_user"); other != role || !strings.HasPrefix(role, "trefoil_f_replies_") {
			t.Errorf("roles %s and %s", role, other)
		}
		if n := one[int](t, b, "SELECT count(*) FROM users"); n != 1 {
			t.Errorf("%d rows", n)
		}
		secret := one[string](t, admin, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", role)
		a.Close(ctx)
		await(t, admin, "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = $1", role)
		if n := one[int](t, b, "SELECT count(*) FROM users"); n != 1 {
			t.Errorf("after the other left: %d rows", n)
		}
		b.Close(ctx)
		await(t, admin, "SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role)
		c := replies.Connect(grant, "dublin-1")
		if again := one[string](t, c, "SELECT session_user"); again != role {
			t.Errorf("the role is now %s, was %s", again, role)
		}
		if renewed := one[string](t, admin, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", role); renewed == secret {
			t.Error("the role was made again under the old secret")
		}
		c.Close(ctx)
	})

	t.Run("each grant has a role and people of its own", func(t *testing.T) {
		other := one[int64](t, admin, "SELECT min(id) FROM users WHERE id <> $1 AND country = 'IE'", clips.CaseUser().ID)
		second := ask(other, "4712")
		a, b := replies.Connect(grant, "dublin-1"), replies.Connect(second, "dublin-1")
		if x, y := one[int64](t, a, "SELECT min(id) FROM users"), one[int64](t, b, "SELECT min(id) FROM users"); x != clips.CaseUser().ID || y != other {
			t.Errorf("they see %d and %d", x, y)
		}
		if one[string](t, a, "SELECT session_user") == one[string](t, b, "SELECT session_user") {
			t.Error("two grants share a role")
		}
		a.Close(ctx)
		b.Close(ctx)
	})

	t.Run("it may have as many sessions as the configuration says", func(t *testing.T) {
		await(t, admin, "SELECT NOT EXISTS (SELECT FROM trefoil.session)")
		var open []*pgx.Conn
		for range 3 {
			open = append(open, replies.Connect(grant, "dublin-1"))
		}
		_, err := replies.Dial(grant, "dublin-1")
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "53300" || !strings.Contains(pg.Hint, "limits.per_service") {
			t.Errorf("%v", err)
		}
		for _, c := range open {
			c.Close(ctx)
		}
	})

	t.Run("psql", func(t *testing.T) {
		out, err := replies.Psql(t, grant, "dublin-1", "-At", "-c", "SELECT id, country FROM users", "-c", "\\d", "-c", "COPY (SELECT country FROM users) TO STDOUT")
		if err != nil || !strings.HasPrefix(out, "100800|IE\n") || !strings.HasSuffix(out, "\nIE\n") {
			t.Errorf("%q, %v", out, err)
		}
	})

	t.Run("its statements are recorded in batches, and all of them are", func(t *testing.T) {
		from := log(t, w, 0)[0].next
		var clients sync.WaitGroup
		for c := range 3 {
			conn := replies.Connect(grant, "dublin-1")
			clients.Go(func() {
				defer conn.Close(ctx)
				for i := range 50 {
					var got string
					if err := conn.QueryRow(ctx, "SELECT $1::text || country FROM users", fmt.Sprintf("%d.%d ", c, i)).Scan(&got); err != nil || got != fmt.Sprintf("%d.%d IE", c, i) {
						t.Errorf("%q, %v", got, err)
					}
				}
				if _, err := conn.Exec(ctx, "SELECT 1/0"); err == nil {
					t.Error("division by zero went well")
				}
			})
		}
		clients.Wait()
		await(t, admin, "SELECT NOT EXISTS (SELECT FROM trefoil.session)")
		params, results, failed := map[string]int{}, 0, 0
		for _, e := range log(t, w, from) {
			switch e.Kind {
			case record.KindStatement, record.KindResult:
				t.Errorf("entry %d is a %s of its own", e.Seq, e.Kind)
			case record.KindStatements:
				for _, l := range e.lines {
					switch {
					case l.Statement != nil && len(l.Statement.Params) > 0:
						params[string(l.Statement.Params[0])]++
					case l.Result != nil:
						results++
						if l.Result.State == "22012" && l.Result.Outcome == record.Failed {
							failed++
						}
					}
				}
			}
		}
		for c := range 3 {
			for i := range 50 {
				if name := fmt.Sprintf(`"%d.%d "`, c, i); params[name] != 1 {
					t.Errorf("statement %s stands %d times in the log", name, params[name])
				}
			}
		}
		if results < 153 || failed != 3 {
			t.Errorf("%d results, %d failed", results, failed)
		}
	})

	t.Run("revocation ends all its sessions", func(t *testing.T) {
		g := ask(clips.CaseUser().ID, "4713")
		var open []*pgx.Conn
		for range 2 {
			open = append(open, replies.Connect(g, "dublin-1"))
		}
		if _, err := w.As("astrid").Verdict("revoke", g.Seq); err != nil {
			t.Fatal(err)
		}
		await(t, admin, "SELECT NOT EXISTS (SELECT FROM trefoil.session)")
		for _, c := range open {
			if _, err := c.Exec(ctx, "SELECT 1"); err == nil {
				t.Error("a session goes on")
			}
		}
	})
}

func one[T any](t *testing.T, c *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := c.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// await polls the store for what follows a session's end.
func await(t *testing.T, admin *pgx.Conn, sql string, args ...any) {
	t.Helper()
	for begun := time.Now(); !one[bool](t, admin, sql, args...); {
		if time.Since(begun) > 20*time.Second { // well before the first sweep
			t.Fatalf("in vain: %s %v", sql, args)
		}
	}
}

// logged is an entry as operators are shown it, a batch with its lines.
type logged struct {
	record.Leaf
	lines []record.Line
	next  uint64 // of the entry behind the last
}

// log reads the log from an entry on.
func log(t *testing.T, w *world.World, from uint64) (out []logged) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", w.Config.Socket())
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	for {
		resp, err := client.Get(fmt.Sprintf("http://trefoil/v1/entries?from=%d", from))
		if err != nil {
			t.Fatal(err)
		}
		var page []api.Entry
		err = json.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			from++
			out = append(out, read(t, e))
		}
		for i := range out {
			out[i].next = from
		}
		if len(page) == 0 {
			return out
		}
	}
}

func read(t *testing.T, e api.Entry) (l logged) {
	t.Helper()
	var err error
	if l.Leaf, err = record.ParseLeaf([]byte(e.Leaf)); err != nil {
		t.Fatal(err)
	}
	for _, p := range e.Parts {
		if l.Kind != record.KindStatements || p.Name != record.PartStatement {
			continue
		}
		data, err := record.Canonical(p.JSON) // HTTP's encoder escapes what HTML would
		if err != nil {
			t.Fatal(err)
		}
		b, err := record.ParseBatch(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range b.Lines {
			line, err := record.ParseLine(raw)
			if err != nil {
				t.Fatal(err)
			}
			l.lines = append(l.lines, line)
		}
	}
	return l
}
