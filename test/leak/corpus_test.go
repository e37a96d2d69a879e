package leak

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/test/world"
)

// TestCorpus runs what stands in testdata/corpus through every lens: attacks, what
// once told two stores apart, and what sqlsmith wrote.
func TestCorpus(t *testing.T) {
	s := newStage(t, people)
	files, err := filepath.Glob("testdata/corpus/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("there is no corpus", err)
	}
	for _, l := range lenses {
		if l.orderless {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			p := s.pair(t, l.name, l.other)
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				var sum tally
				for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
					if !strings.HasPrefix(line, "--") {
						try(t, p, file+":"+strconv.Itoa(i+1), line, &sum)
					}
				}
				t.Logf("%s: %s", file, &sum)
				if 10*sum.withRows < sum.reading {
					t.Errorf("%s: %d of %d queries gave rows", file, sum.withRows, sum.reading)
				}
			}
		})
	}
}

// try runs a line of the corpus.
func try(t *testing.T, p *pair, where, line string, sum *tally) {
	t.Helper()
	steps := strings.Split(line, " ;; ")
	s := script{state: len(steps) > 1}
	for _, sql := range steps {
		s.steps = append(s.steps, step{sql: sql})
	}
	found, err := p.run(s, sum)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if found != nil {
		t.Errorf("%s: step %d: %s", where, found.at+1, found.what)
	}
}

// unsteady matches functions of which the answer is not made from the data: clocks,
// names and numbers of sessions and transactions, addresses, files.
var unsteady = regexp.MustCompile(`pg_catalog\.(\w*(random|clock|now|timeofday|timestamp|xact|txid|snapshot|pid|inet_client|inet_server|current|session|user|postmaster|conf_load|wal|replication|backend|control|stat_get|ls_|read_|oid|relation|regclass|database|tablespace|size|age|uuid|schema_to|uptime)\w*)\s*\(`)

// TestSqlsmith has Debian's sqlsmith, which learns what there is through the gate,
// write queries over a lens, and sends them to both stores. It is part of the soak:
// for make test some of its queries stand in the corpus.
func TestSqlsmith(t *testing.T) {
	if seconds(t) <= usual {
		return
	}
	s := newStage(t, people)
	seed := number(t, "TREFOIL_SEED", randomSeed())
	for _, l := range lenses {
		if l.orderless {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			p := s.pair(t, l.name, l.other)
			var sum tally
			for _, q := range s.sqlsmith(t, l.name, seed, 2000) {
				try(t, p, "seed "+strconv.FormatUint(seed, 10), q, &sum)
			}
			t.Logf("sqlsmith, seed %d: %s; %s", seed, &sum, sum.frequent())
			if sum.withRows == 0 {
				t.Error("none of sqlsmith's queries gave rows")
			}
		})
	}
}

// sqlsmith gives the queries of one run that two stores can be asked alike, each on
// one line.
func (s *stage) sqlsmith(t *testing.T, name string, seed uint64, n int) (queries []string) {
	t.Helper()
	level, scope, _ := strings.Cut(name, "-")
	jonas := s.As("jonas")
	wish := world.Wish{Lens: level, Scope: scope, Sites: s.sites}
	if scope == "case" {
		wish.Subjects = caseKeys()
	}
	grant := jonas.MustAsk(wish)
	cmd := exec.Command("sqlsmith", "--target="+jonas.DSN(grant, sites[base]), "--seed="+strconv.FormatUint(seed&0x7fffffff, 10),
		"--max-queries="+strconv.Itoa(n), "--dry-run", "--exclude-catalog")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+jonas.Secret(grant))
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		t.Fatalf("sqlsmith: %v\n%s\ninstall it with: apt-get install sqlsmith", err, &diagnostics)
	}
	text := regexp.MustCompile(`(?m)^(SQLsmith|Loading|Generating) .*\n`).ReplaceAllString(out.String(), "")
	lens := regexp.MustCompile(`leak_` + level + `_` + scope + `_[0-9a-f]{8}\.`)
	for q := range strings.SplitSeq(text, ";") {
		q = strings.Join(strings.Fields(q), " ")
		if q != "" && len(q) < 20000 && !unsteady.MatchString(q) {
			queries = append(queries, lens.ReplaceAllString(q, ""))
		}
	}
	return queries
}
