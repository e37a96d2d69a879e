package limits

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/testbin"
	"github.com/trefoil-dev/trefoil/test/world"
)

var trefoil string

func TestMain(m *testing.M) { os.Exit(testbin.Main(m, &trefoil)) }

// start runs the program in front of two stores and gives how to log in.
func start(tb testing.TB) (*testbin.Process, *pgconn.Config) {
	tb.Helper()
	w := world.New(tb)
	jonas := w.As("jonas")
	grant := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}})
	door := jonas.Config(grant, "dublin-1").Config
	w.Stop() // from here on it is the program itself
	return testbin.Serve(tb, trefoil, "serve", "--config", filepath.Join(w.Dir, "trefoil.yaml")), &door
}

const (
	sessions = 32
	maxMB    = 150
	rows     = 200_000 // of about 100 bytes: 20 MB for each session
)

// TestMemory: 32 sessions that each read a large result at the same time, once
// as rows and once as a copy, and stay.
func TestMemory(t *testing.T) {
	serve, door := start(t)
	ctx := context.Background()
	var all sync.WaitGroup
	for range sessions {
		conn, err := pgconn.ConnectConfig(ctx, door)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		all.Go(func() {
			sql := fmt.Sprintf("SELECT g, repeat('x', 90) FROM generate_series(1, %d) g", rows)
			n := 0
			res := conn.ExecParams(ctx, sql, nil, nil, nil, nil)
			for res.NextRow() {
				n++
			}
			if _, err := res.Close(); err != nil || n != rows {
				t.Errorf("%d rows, %v", n, err)
			}
			if tag, err := conn.CopyTo(ctx, discard{}, "COPY ("+sql+") TO STDOUT"); err != nil || tag.RowsAffected() != rows {
				t.Errorf("%s, %v", tag, err)
			}
		})
	}
	all.Wait()
	now, peak := memory(t, serve.Pid)
	fmt.Printf("%d sessions that read %d rows twice: %d MB resident, %d MB at most\n", sessions, rows, now, peak)
	if peak > maxMB {
		t.Errorf("%d MB resident at most, %d MB are promised", peak, maxMB)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

var statusLine = regexp.MustCompile(`(?m)^(VmRSS|VmHWM):\s+(\d+) kB$`)

// memory gives the resident size of a process, now and at most, in MB. Without
// Linux's /proc both are what ps says now.
func memory(t *testing.T, pid int) (now, peak int) {
	t.Helper()
	kb := make(map[string]int)
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		for _, m := range statusLine.FindAllStringSubmatch(string(status), -1) {
			kb[m[1]], _ = strconv.Atoi(m[2])
		}
	} else {
		out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			t.Fatal(err)
		}
		kb["VmRSS"], _ = strconv.Atoi(strings.TrimSpace(string(out)))
		kb["VmHWM"] = kb["VmRSS"]
	}
	if kb["VmRSS"] == 0 || kb["VmHWM"] < kb["VmRSS"] {
		t.Fatalf("the memory of process %d can't be read: %v", pid, kb)
	}
	return kb["VmRSS"] / 1000, kb["VmHWM"] / 1000
}

// BenchmarkSession opens a session and closes it, one after the
// other, and gives the median and the 99th percentile. 50 ms are promised.
func BenchmarkSession(b *testing.B) {
	_, door := start(b)
	ctx := context.Background()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		conn, err := pgconn.ConnectConfig(ctx, door)
		if err != nil {
			b.Fatal(err)
		}
		if err := conn.Close(ctx); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
}
