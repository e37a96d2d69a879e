package clients

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/test/world"
)

// describing lists psql's commands that begin with \d, and their kin, with and
// without S (system objects too) and + (more columns).
func describing() (list []string) {
	for _, group := range []struct {
		more  []string
		names string
	}{
		{[]string{"", "S", "+", "S+"}, `d da dAc dAf dAo dAp db dc dC dconfig dd dD ddp dE des det deu dew df dfa dfn dfp dft dfw dFd dFp dFt
			dg di dl dL dm dn do dO dp drds dRp dRs ds dt dT du dv dx dX dy`},
		{[]string{"", "+"}, `dA dF dP dPi dPt dPn l`},
		{[]string{""}, `z`},
	} {
		for _, name := range strings.Fields(group.names) {
			for _, more := range group.more {
				list = append(list, `\`+name+more)
			}
		}
	}
	return append(list, `\d users`, `\d+ users`, `\dS+ users`, `\d pg_class`, `\d *.users`, `\dp users`, `\sv users`, `\sv+ users`)
}

// unanswered tells whether the fence leaves a command without an answer: with +,
// some ask for sizes, \df for the sources of functions, and \dRs for what
// PostgreSQL itself shows to superusers alone. docs/clients.md lists them.
func unanswered(command string) bool {
	name, more := strings.CutSuffix(command, "+")
	return more && (strings.HasPrefix(name, `\df`) || slices.Contains(strings.Fields(`\d \db \dE \di \dm \dP \dPi \dPn \dPt \dRs \ds \dt \dv \l`), strings.TrimSuffix(name, "S")))
}

// describes runs them all, in one session of each grant.
func describes(t *testing.T, s *stage) {
	for name, as := range map[string]login{"bulk": s.brief.Bulk, "case": s.brief.Case} {
		t.Run(name, func(t *testing.T) {
			p := &terminal{s: s, b: s.brief, t: t}
			script := ""
			for _, c := range describing() {
				script += "\\warn @" + c[1:] + "\n" + c + "\n"
			}
			_, errs, err := p.run(as, "", script)
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]string{}
			for _, part := range strings.Split(errs, "@")[1:] {
				command, text, _ := strings.Cut(part, "\n")
				said[`\`+command] = strings.TrimSpace(text)
			}
			for _, c := range describing() {
				want := ""
				if unanswered(c) {
					want = "ERROR:  42501"
				}
				if got, ok := said[c]; !ok || got != want && !strings.HasPrefix(got, "Did not find any") {
					t.Errorf("%s: %q, not %q", c, got, want)
				}
			}
		})
	}
}

// copiesEveryView saves each view of each lens with \copy, as a person would, and
// compares columns and rows with what the catalogue and the view hold.
func copiesEveryView(t *testing.T, s *stage) {
	user := []int64{clips.CaseUser().ID}
	s.w.Publish(map[string]func(string) string{"policy": func(text string) string {
		return text + "\n@id(\"everything\")\n@why(\"Every lens is to be seen.\")\npermit (principal, action, resource);\n"
	}})
	views := s.text(t, "SELECT table_name FROM information_schema.views WHERE table_schema = current_schema() ORDER BY 1")
	for _, lens := range []string{"clear", "masked", "pseudonymous"} {
		for _, scope := range []string{"case", "bulk"} {
			t.Run(lens+" "+scope, func(t *testing.T) {
				wish := world.Wish{Lens: lens, Scope: scope, Purpose: "engineering", Case: "BUG-8"}
				if scope == "case" {
					wish.Subjects = user
				}
				out, err := s.w.As("sean").Ask(wish)
				if err == nil && out.Grant == nil {
					out, err = s.w.As("astrid").Verdict("approve", out.Request.Seq)
				}
				if err != nil || out.Grant == nil {
					t.Fatalf("no grant: %+v, %v", out, err)
				}
				copies(t, s, *out.Grant, views)
			})
		}
	}
}

func copies(t *testing.T, s *stage, g access.Grant, views [][]string) {
	p := &terminal{s: s, b: s.brief, t: t}
	dir := t.TempDir()
	script := ""
	for _, v := range views {
		script += "\\copy (SELECT * FROM " + v[0] + ") TO '" + filepath.Join(dir, v[0]) + "' (FORMAT csv, HEADER)\n" +
			"SELECT count(*), (SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '" + v[0] + "'::regclass) FROM " + v[0] + ";\n"
	}
	lines, _, err := p.run(s.login("sean", g), "", script)
	if err != nil || len(lines) != len(views) || len(views) == 0 {
		t.Fatalf("%d answers for %d views: %v", len(lines), len(views), err)
	}
	for i, v := range views {
		f, err := os.Open(filepath.Join(dir, v[0]))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil || len(rows) == 0 {
			t.Fatalf("%s: %d rows, %v", v[0], len(rows), err)
		}
		if got := fmt.Sprintf("%d|%s", len(rows)-1, strings.Join(rows[0], ",")); got != lines[i] || len(rows) == 1 {
			t.Errorf("%s: saved %s, the view has %s", v[0], got, lines[i])
		}
	}
}
