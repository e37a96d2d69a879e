package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/internal/clips"
)

// capabilities are what every client is tried on, in the order of docs/clients.md.
func capabilities() []string {
	return []string{"queries", "parameters", "transactions", "copy out", "binary copy", "cancel", "pipelining", "binary results", "prepared statements",
		"large result by parts", "verify-full", "channel binding", "errors", "SQLSTATE of a refused login", "end of the grant", "metadata"}
}

// client is one driver or program: what it is called in docs/clients.md, and how
// to run it. It gives what it reports.
type client struct {
	name, title string
	run         func(*testing.T, *stage, brief) map[string]answer
}

func all() []client {
	return []client{
		{"psql", "psql 15", runPsql},
		{"pgx", "pgx", runPgx},
		{"node", "node-postgres", runNode},
		{"psycopg2", "psycopg2", runPython},
		{"psycopg3", "psycopg 3", runPython},
		{"jdbc", "JDBC", runJava},
	}
}

// answer is what a client says about a capability.
type answer struct {
	Capability string          `json:"capability"`
	Got        json.RawMessage `json:"got"`
	Cannot     string          `json:"cannot"`
	Error      string          `json:"error"`
	Await      string          `json:"await"`
}

// find sets the truth: what every client must report.
func (s *stage) find(t *testing.T) {
	t.Helper()
	q := s.brief.SQL
	people := s.text(t, q.People)
	if user := clips.CaseUser(); strings.Contains(fmt.Sprint(people), user.Email) || !strings.Contains(fmt.Sprint(people), "***") {
		t.Fatalf("the bulk lens does not mask: %v", people)
	}
	var count, irish string
	s.scan(t, &count, "SELECT count(*)::text FROM public.users")
	s.scan(t, &irish, "SELECT count(*)::text FROM public.users WHERE country = 'IE'")
	var countries []string
	for _, p := range people {
		s.brief.IDs = append(s.brief.IDs, p[0])
		countries = append(countries, p[1])
	}
	var named []string // the person of the case
	for _, row := range s.text(t, q.Export) {
		if row[0] == fmt.Sprint(clips.CaseUser().ID) {
			named = row
		}
	}
	values := s.text(t, "SELECT id, seconds, round(lat::numeric * 1000), floor(extract(epoch FROM uploaded_at)), title, CASE WHEN lat > 0 THEN 'true' ELSE 'false' END FROM videos WHERE lat IS NOT NULL ORDER BY id LIMIT 1")[0]
	flat := func(sql string) (out []string) {
		for _, row := range s.text(t, sql) {
			out = append(out, row[0])
		}
		return out
	}
	var codes []string
	for _, e := range failing() {
		codes = append(codes, e[1])
	}
	// Three people, four times over: past the fifth, drivers turn to prepared statements.
	again := append(append(append(append([]string{}, countries...), countries...), countries...), countries...)
	s.truth = map[string]string{}
	for capability, want := range map[string]any{
		"queries":    map[string]any{"bulk": people, "case": [][]string{named}},
		"parameters": map[string]any{"IE": irish},
		"transactions": map[string]any{"committed": count, "failed": "22012", "aborted": "25P02", "rolled back": count, "savepoint": count,
			"refused": "0A000", "still aborted": "25P02", "after": count},
		"copy out":                    map[string]any{"sha256": digest(s.copied(t, q.Export, ""))},
		"binary copy":                 map[string]any{"sha256": digest(s.copied(t, q.Export, " (FORMAT binary)"))},
		"cancel":                      map[string]any{"cancelled": "57014", "after": count},
		"pipelining":                  map[string]any{"countries": countries, "refused": "0A000", "after": count},
		"binary results":              map[string]any{"format": "binary", "values": values},
		"prepared statements":         map[string]any{"countries": again, "on the server": true},
		"large result by parts":       map[string]any{"rows": "100000", "sum": "5000050000", "country": countries[0]},
		"verify-full":                 map[string]any{"gate": count, "another authority": "refused", "another name": "refused"},
		"channel binding":             map[string]any{"required": count},
		"errors":                      map[string]any{"sqlstates": codes, "hint": "leave the schema out", "after": count},
		"SQLSTATE of a refused login": map[string]any{"sqlstate": "28P01"},
		"end of the grant":            map[string]any{"sqlstate": "57P01"},
		"metadata":                    map[string]any{"views": flat(q.Views), "columns": flat(q.Columns)},
	} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		s.truth[capability] = string(b)
	}
}

func TestClients(t *testing.T) {
	s := newStage(t)
	page := readPage(t)
	for _, c := range all() {
		t.Run(c.name, func(t *testing.T) {
			b := s.briefFor(t, c.name)
			b.Name = c.name
			answers := c.run(t, s, b)
			for _, capability := range capabilities() {
				t.Run(capability, func(t *testing.T) {
					a, ok := answers[capability]
					switch {
					case !ok:
						t.Fatal("nothing was reported")
					case a.Error != "":
						t.Fatal(a.Error)
					case a.Cannot == "":
						if got := canonical(t, a.Got); got != s.truth[capability] {
							t.Errorf("got  %s\nwant %s", got, s.truth[capability])
						}
					}
					page.check(t, c.title, capability, a.Cannot)
				})
			}
		})
	}
	t.Run("psql describes", func(t *testing.T) { describes(t, s) })
	t.Run("psql copies every view of every lens", func(t *testing.T) { copiesEveryView(t, s) })
	t.Run("tools", func(t *testing.T) { tools(t, s) })
}

func canonical(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err, string(raw))
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// converse runs a client's program.
func converse(t *testing.T, s *stage, b brief, cmd *exec.Cmd) map[string]answer {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	tell := func(line string) {
		if _, err := io.WriteString(in, line+"\n"); err != nil {
			t.Fatal(err, errs.String())
		}
	}
	tell(string(text))
	answers := map[string]answer{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var a answer
		switch err := json.Unmarshal(lines.Bytes(), &a); {
		case err != nil:
			t.Fatalf("%v: %s", err, lines.Text())
		case a.Await != "":
			s.await(t, a.Await)
			tell("")
		default:
			answers[a.Capability] = a
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
	return answers
}

// command is a client's program, ended after two minutes.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "PGCONNECT_TIMEOUT=20", "PYTHONDONTWRITEBYTECODE=1")
	return cmd
}
