// Package sessions measures what a session costs: memory while it waits, time to
// open and close it. Clients run in a process of their own, so that what this
// process holds is the instance's.
package sessions

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/test/world"
)

// many is how many sessions wait at once: go test ./test/sessions -sessions 2000
var many = flag.Int("sessions", 80, "idle sessions to measure")

const site = "dublin-1"

// asClients makes this binary the clients: of the connection string in the variable.
const asClients = "TREFOIL_TEST_CLIENTS"

func TestMain(m *testing.M) {
	flag.Parse()
	if dsn := os.Getenv(asClients); dsn != "" {
		if err := clients(dsn, *many); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// clients opens n sessions, runs a query in each, says so and waits.
func clients(dsn string, n int) error {
	ctx := context.Background()
	var open []*pgx.Conn
	for i := range n {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
		if _, err := conn.Exec(ctx, "SELECT email FROM users"); err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
		open = append(open, conn)
	}
	fmt.Println("open")
	_, err := io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(open)
	return err
}

// begin starts a world with room for the sessions, and a grant.
func begin(tb testing.TB) (*world.World, *world.Person, access.Grant) {
	w := world.New(tb)
	w.Stop()
	old := w.Stores[site]
	if err := old.Stop(); err != nil {
		tb.Fatal(err)
	}
	c, err := pgcluster.Start(context.Background(), pgcluster.Options{Dir: old.Dir, Port: old.Port, Settings: map[string]string{
		"max_connections": strconv.Itoa(*many + 20), "shared_buffers": "64MB", "fsync": "off", "synchronous_commit": "off"}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Stop() })
	w.Stores[site] = c
	w.Config.Limits.Sessions = *many + 10
	w.Start()
	tb.Cleanup(w.Stop) // before the store
	jonas := w.As("jonas")
	return w, jonas, jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}})
}

func TestIdleSessionsAreSmall(t *testing.T) {
	_, jonas, grant := begin(t)
	warm := jonas.Connect(grant, site)
	if err := warm.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := inUse()
	cmd := exec.Command(os.Args[0], "-sessions", strconv.Itoa(*many))
	cmd.Env = append(os.Environ(), asClients+"="+jonas.DSN(grant, site)+" password="+jonas.Secret(grant))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%q %v", line, err)
	}
	after := inUse()
	per := (after.total() - before.total()) / *many
	t.Logf("%d sessions: %d bytes each in use (heap %d, stacks %d), resident set +%d each", *many, per,
		(after.heap-before.heap) / *many, (after.stack-before.stack) / *many, (after.resident-before.resident) / *many)
	if per > 40<<10 { // of the 64 KiB that a session may cost, garbage between two collections included
		t.Errorf("an idle session holds %d bytes", per)
	}
	if name := os.Getenv("TREFOIL_TEST_HEAP"); name != "" {
		heap(t, name)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

type memory struct{ heap, stack, resident int }

func (m memory) total() int { return m.heap + m.stack }

// inUse is what this process holds once it has collected.
func inUse() memory {
	for range 3 { // stacks shrink by half at each collection
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{heap: int(m.HeapAlloc), stack: int(m.StackInuse), resident: resident()}
}

// resident is VmRSS in bytes, 0 where there is no /proc.
func resident() int {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb << 10
		}
	}
	return 0
}

// BenchmarkSession opens and closes sessions one after the other: through the gate,
// and for comparison to the store itself, without TLS.
func BenchmarkSession(b *testing.B) {
	w, jonas, grant := begin(b)
	direct, err := pgx.ParseConfig(w.Stores[site].DSN("clips"))
	if err != nil {
		b.Fatal(err)
	}
	for name, cfg := range map[string]*pgx.ConnConfig{"gate": jonas.Config(grant, site), "direct": direct} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				conn, err := pgx.ConnectConfig(ctx, cfg)
				if err != nil {
					b.Fatal(err)
				}
				if err := conn.Close(ctx); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			report(b, took)
		})
	}
}
