// Command bench measures what the gate costs: `make bench` runs it and it writes
// docs/performance.md. One PostgreSQL, one data set and one run serve every
// contender, in interleaved rounds, because only ratios of things measured
// together carry over to another machine.
//
//	direct     pgbench on the store itself, without TLS
//	view       the same as a session role of the lens: what the masking view costs
//	pgbouncer  PgBouncer in session mode, TLS towards the client
//	gate       trefoil serve: TLS, record before release, every record synced to disk
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/trefoil-dev/trefoil/internal/durable"
)

type options struct {
	rounds  int
	seconds int
	scale   int
	rows    int
	clients []int
	modes   []string
	write   string
	dir     string
	trefoil string
	gate    bool // nothing but the gate and its rivals
}

func main() {
	o := options{clients: []int{1, 8, 32}, modes: []string{"prepared", "simple"}}
	flag.IntVar(&o.rounds, "rounds", 5, "interleaved rounds of each measurement")
	flag.IntVar(&o.seconds, "seconds", 3, "seconds of one pgbench run")
	flag.IntVar(&o.scale, "scale", 50, "pgbench scale: 100,000 accounts each")
	flag.IntVar(&o.rows, "rows", 1_000_000, "rows of the large result")
	flag.StringVar(&o.write, "write", "", "also write the tables into this file, between its markers")
	flag.StringVar(&o.dir, "dir", "", "work in this directory; default: one under the system's, removed afterwards")
	flag.StringVar(&o.trefoil, "trefoil", "bin/trefoil", "the program to measure")
	flag.BoolVar(&o.gate, "gate", false, "leave out the packages' own benchmarks: log and lenses")
	flag.Func("clients", "numbers of clients, separated by commas (default 1,8,32)", func(list string) error {
		o.clients = nil
		for word := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(word)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is no number of clients", word)
			}
			o.clients = append(o.clients, n)
		}
		return nil
	})
	flag.Func("modes", "pgbench's query modes, separated by commas (default prepared,simple)", func(list string) error {
		o.modes = strings.Split(list, ",")
		return nil
	})
	quick := flag.Bool("quick", false, "seconds instead of minutes: to see that everything runs")
	flag.Parse()
	if *quick {
		o.rounds, o.seconds, o.scale, o.clients, o.modes = 2, 1, 10, []int{8}, []string{"prepared"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// transfers is how many large results stand for a round.
const transfers = 3

func run(ctx context.Context, o options) (err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "trefoil-bench"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		// The store may run as another user and must be able to enter.
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	began := time.Now()
	store, err := startStore(ctx, filepath.Join(dir, "store"), o.scale)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Stop()) }()
	direct, directTLS, view := store.endpoint("direct", "disable"), store.endpoint("direct TLS", "require"), store.view
	bouncer, err := startPgBouncer(ctx, filepath.Join(dir, "pgbouncer"), store)
	if err != nil {
		return err
	}
	defer bouncer.stop()
	gate, err := startGate(ctx, o.trefoil, filepath.Join(dir, "gate"), store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gate.stop()) }()

	r := report{machine: describeMachine(dir, store), command: "make bench", began: began, rounds: o.rounds, seconds: o.seconds, scale: o.scale, rows: o.rows}
	if len(os.Args) != 3 || o.write == "" { // not what make bench runs
		r.command = "go run ./test/bench " + strings.Join(os.Args[1:], " ")
	}
	for _, mode := range o.modes {
		for _, clients := range o.clients {
			set, err := interleave(ctx, o.rounds, []endpoint{direct, view, bouncer.endpoint, gate.endpoint}, func(ctx context.Context, e endpoint) (sample, error) {
				return pgbench(ctx, store.Bin, dir, e, mode, clients, o.seconds)
			})
			if err != nil {
				return err
			}
			r.add(fmt.Sprintf("pgbench -S, %s, %d", mode, clients), set)
		}
	}
	r.memory = gate.peakMemory()
	for _, c := range []struct{ name, sql string }{
		{"COPY (SELECT …) TO STDOUT", fmt.Sprintf("COPY (SELECT * FROM pgbench_accounts WHERE aid <= %d) TO STDOUT", o.rows)},
		{"SELECT", fmt.Sprintf("SELECT * FROM pgbench_accounts WHERE aid <= %d", o.rows)},
	} {
		// One transfer takes less than a second, and the ratios of single ones lie far apart.
		set, err := interleave(ctx, transfers*o.rounds, []endpoint{direct, directTLS, bouncer.endpoint, gate.endpoint}, func(ctx context.Context, e endpoint) (sample, error) {
			return discard(ctx, e, c.sql, o.rows)
		})
		if err != nil {
			return err
		}
		r.addLarge(c.name, set)
	}
	set, err := interleave(ctx, o.rounds, []endpoint{directTLS, bouncer.endpoint, gate.endpoint}, openAndClose)
	if err != nil {
		return err
	}
	r.addSessions(set)
	if !o.gate {
		if r.ledger, err = packageFigures(ctx, "-bench=.", "-benchtime=2s", "./ledger", "./record"); err != nil {
			return err
		}
		if r.lens, err = packageFigures(ctx, "-bench=^BenchmarkLens$", "-benchtime=300x", "./lens"); err != nil {
			return err
		}
	}
	text := r.markdown()
	fmt.Println("\n" + text)
	if o.write == "" {
		return nil
	}
	return fill(o.write, text)
}

// Between these lines of the document stands what the last run measured.
const beginMark, endMark = "<!-- bench: begin -->", "<!-- bench: end -->"

// fill replaces what stands between the markers of a document.
func fill(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok1 := strings.Cut(string(old), beginMark)
	_, foot, ok2 := strings.Cut(rest, endMark)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q to write between", path, beginMark, endMark)
	}
	return durable.WriteFile(path, []byte(head+beginMark+"\n"+text+endMark+foot), 0o644)
}
