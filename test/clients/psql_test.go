package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// terminal is psql as a client: scripts on its standard input.
type terminal struct {
	s *stage
	b brief
	t *testing.T
}

// cannot is an error that goes into docs/clients.md.
type cannot string

func (c cannot) Error() string { return string(c) }

func runPsql(t *testing.T, s *stage, b brief) map[string]answer {
	p := &terminal{s: s, b: b, t: t}
	answers := map[string]answer{}
	for capability, f := range map[string]func() (any, error){
		"queries": p.queries, "transactions": p.transactions, "copy out": p.copyOut, "binary copy": p.binaryCopy, "cancel": p.cancel,
		"prepared statements": p.prepared, "large result by parts": p.large, "verify-full": p.verifyFull, "channel binding": p.binding,
		"errors": p.errors, "SQLSTATE of a refused login": p.refusedLogin, "end of the grant": p.ending, "metadata": p.metadata,
		"parameters": func() (any, error) {
			return nil, cannot("`\\bind` came with 16; `:'name'` puts the value into the text")
		},
		"pipelining":     func() (any, error) { return nil, cannot("`\\startpipeline` came with 18") },
		"binary results": func() (any, error) { return nil, cannot("it shows text; `COPY … (FORMAT binary)` works") },
	} {
		got, err := f()
		a := answer{Capability: capability}
		var no cannot
		if errors.As(err, &no) {
			a.Cannot = string(no)
		} else if err != nil {
			a.Error = err.Error()
		} else if a.Got, err = json.Marshal(got); err != nil {
			t.Fatal(err)
		}
		answers[capability] = a
	}
	return answers
}

// command is psql as a user starts it; more goes to the end of the connection string.
func (p *terminal) command(as login, more string, args ...string) *exec.Cmd {
	dsn := fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=verify-full sslrootcert=%s %s", p.b.Host, p.b.Port, as.User, p.b.Database, p.b.CA, more)
	cmd := command(p.t, filepath.Join(p.s.w.Stores[site].Bin, "psql"), append([]string{"-X", "-q", "-A", "-t", "-v", "VERBOSITY=sqlstate", dsn}, args...)...)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+as.Password)
	return cmd
}

// run gives the lines of both streams.
func (p *terminal) run(as login, more, script string, args ...string) (out []string, errs string, err error) {
	cmd := p.command(as, more, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(script), &o, &e
	err = cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, e.String())
	}
	return strings.Split(strings.TrimSuffix(o.String(), "\n"), "\n"), e.String(), err
}

func cut(lines []string) (rows [][]string) {
	for _, line := range lines {
		rows = append(rows, strings.Split(line, "|"))
	}
	return rows
}

func (p *terminal) queries() (any, error) {
	bulk, _, err := p.run(p.b.Bulk, "", p.b.SQL.People+";")
	if err != nil {
		return nil, err
	}
	one, _, err := p.run(p.b.Case, "", p.b.SQL.Export+";")
	return map[string]any{"bulk": cut(bulk), "case": cut(one)}, err
}

func (p *terminal) transactions() (any, error) {
	count, fail := p.b.SQL.Count+";\n", "SELECT 1 / (SELECT 0);\n\\echo :SQLSTATE\n"
	aborted := count + "\\echo :SQLSTATE\n"
	out, _, err := p.run(p.b.Bulk, "", "BEGIN;\n"+count+"COMMIT;\n"+ // committed
		"BEGIN;\n"+fail+aborted+"ROLLBACK;\n"+count+ // failed, aborted, rolled back
		"BEGIN;\nSAVEPOINT s;\n"+fail+"ROLLBACK TO s;\n"+count+ // a line of its own, savepoint
		"EXPLAIN SELECT 1;\n\\echo :SQLSTATE\n"+aborted+"COMMIT;\n"+count) // refused, still aborted, after
	if err != nil || len(out) != 9 {
		return nil, fmt.Errorf("%q: %w", out, err)
	}
	return map[string]any{"committed": out[0], "failed": out[1], "aborted": out[2], "rolled back": out[3], "savepoint": out[5],
		"refused": out[6], "still aborted": out[7], "after": out[8]}, nil
}

func (p *terminal) copyOut() (any, error) {
	out, _, err := p.run(p.b.Bulk, "", "COPY ("+p.b.SQL.Export+") TO STDOUT;\n")
	return map[string]any{"sha256": digest([]byte(strings.Join(out, "\n") + "\n"))}, err
}

func (p *terminal) binaryCopy() (any, error) {
	file := filepath.Join(p.b.Dir, "export")
	if _, _, err := p.run(p.b.Bulk, "", "\\copy ("+p.b.SQL.Export+") TO '"+file+"' (FORMAT binary)\n"); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(file)
	return map[string]any{"sha256": digest(b)}, err
}

// Ctrl-C ends a script. What -c asks for next is still asked; rows it prints no
// more, but errors, and one of them can hold the count.
func (p *terminal) cancel() (any, error) {
	cmd := p.command(p.b.Bulk, "", "-v", "VERBOSITY=verbose", "-c", "SELECT pg_sleep(60) /* cancel-psql */", "-c", "SELECT ("+p.b.SQL.Count+")::text::boolean")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.s.await(p.t, "sleep cancel-psql")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		return nil, err
	}
	_ = cmd.Wait() // both failed
	_, said, _ := strings.Cut(errs.String(), "ERROR:  ")
	state, said, _ := strings.Cut(said, ":")
	_, said, _ = strings.Cut(said, `type boolean: "`)
	after, _, _ := strings.Cut(said, `"`)
	return map[string]any{"cancelled": state, "after": after}, nil
}

func (p *terminal) prepared() (any, error) {
	script := "PREPARE country (bigint) AS " + strings.ReplaceAll(p.b.SQL.Country, "{}", "$1") + ";\n"
	for range 4 {
		for _, id := range p.b.IDs {
			script += "EXECUTE country (" + id + ");\n"
		}
	}
	out, _, err := p.run(p.b.Bulk, "", script+p.b.SQL.Prepared+";\n")
	last := len(out) - 1
	return map[string]any{"countries": out[:last], "on the server": out[last] == "t"}, err
}

func (p *terminal) large() (any, error) {
	out, _, err := p.run(p.b.Bulk, "", p.b.SQL.Large+";\n", "-v", "FETCH_COUNT=10000")
	sum, country := 0, ""
	for _, row := range cut(out) {
		var i int
		if _, err := fmt.Sscan(row[0], &i); err != nil || len(row) != 2 {
			return nil, fmt.Errorf("%q: %w", row, err)
		}
		sum, country = sum+i, row[1]
	}
	return map[string]any{"rows": fmt.Sprint(len(out)), "sum": fmt.Sprint(sum), "country": country}, err
}

func (p *terminal) verifyFull() (any, error) {
	got := map[string]string{}
	for what, more := range map[string]string{"gate": "", "another authority": "sslrootcert=" + p.b.OtherCA, "another name": "host=" + p.b.OtherName + " hostaddr=" + p.b.Address} {
		out, errs, err := p.run(p.b.Bulk, more, p.b.SQL.Count+";\n")
		switch {
		case err == nil:
			got[what] = out[0]
		case strings.Contains(errs, "certificate"):
			got[what] = "refused"
		default:
			return nil, err
		}
	}
	return got, nil
}

func (p *terminal) binding() (any, error) {
	out, _, err := p.run(p.b.Bulk, "channel_binding=require", p.b.SQL.Count+";\n")
	return map[string]any{"required": out[0]}, err
}

func (p *terminal) errors() (any, error) {
	var script string
	for _, sql := range p.b.SQL.Errors {
		script += sql + ";\n\\echo :SQLSTATE\n"
	}
	out, errs, err := p.run(p.b.Bulk, "", script+p.b.SQL.Count+";\n\\set VERBOSITY default\n"+p.b.SQL.Outside+";\n")
	_, said, _ := strings.Cut(errs, "HINT:")
	last := len(out) - 1
	return map[string]any{"sqlstates": out[:last], "hint": hint(said), "after": out[last]}, err
}

func (p *terminal) refusedLogin() (any, error) {
	_, errs, err := p.run(login{p.b.Bulk.User, "wrong"}, "", "")
	if err == nil || !strings.Contains(errs, "authentication failed") || strings.Contains(errs, "28P01") {
		return nil, fmt.Errorf("%q: %w", errs, err)
	}
	return nil, cannot("libpq gives the message alone")
}

func (p *terminal) ending() (any, error) {
	cmd := p.command(p.b.Ending, "", "-c", "SELECT pg_sleep(60) /* end-psql */")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.s.await(p.t, "sleep end-psql")
	p.s.await(p.t, "revoke psql")
	if err := cmd.Wait(); err == nil {
		return nil, errors.New("psql ended well")
	}
	_, state, _ := strings.Cut(errs.String(), "FATAL:  ")
	state, _, _ = strings.Cut(state, "\n")
	return map[string]any{"sqlstate": state}, nil
}

func (p *terminal) metadata() (any, error) {
	out, _, err := p.run(p.b.Bulk, "", "\\dv\n\\echo --\n\\d users\n")
	list, columns := "views", map[string][]string{}
	for _, row := range cut(out) {
		switch {
		case row[0] == "--":
			list = "columns"
		case list == "views" && len(row) > 1:
			columns[list] = append(columns[list], row[1])
		default:
			columns[list] = append(columns[list], row[0])
		}
	}
	return columns, err
}
