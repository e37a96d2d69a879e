package index_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/index"
	"github.com/trefoil-dev/trefoil/record"
)

// load appends n statements, each with its result, in some of 64 sessions.
func (z *zone) load(n int) {
	z.tb.Helper()
	var grants, sessions []uint64
	for i := range 64 {
		g := z.ask("jonas", "support", fmt.Sprint(1000+i)).Grant.Seq
		grants, sessions = append(grants, g), append(sessions, z.login("jonas", g, dublin))
	}
	var d record.Draft
	for i := range n {
		d.Reset(record.KindStatement, record.Allowed, "support")
		d.Add(record.PartDecision, fmt.Appendf(nil, `{"grant":%d,"kind":"select","scope":"case","session":%d}`, grants[i%64], sessions[i%64]))
		d.Add(record.PartStatement, []byte(`{"ambiguous":false,"name":"","params":["4711"],"portal":"","protocol":"extended","sql":"select id, handle, email from users where id = $1"}`))
		ref, err := z.log.Append(&d)
		z.check(err)
		d.Reset(record.KindResult, record.Complete, "support")
		d.Add(record.PartDecision, fmt.Appendf(nil, `{"bytes":130,"micros":420,"rows":1,"state":"","statement":%d}`, ref.Seq))
		ref, err = z.log.Append(&d)
		z.check(err)
		if i%1000 == 999 {
			z.check(z.log.Wait(context.Background(), ref.Seq))
		}
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkBuild indexes a published log of 100,000 statements with results.
func BenchmarkBuild(b *testing.B) {
	z := newZone(b)
	z.rules()
	z.load(100_000)
	z.reopen()
	n := z.log.Durable()
	var took, worked time.Duration
	before := resident(b)
	for b.Loop() {
		begin, start := cpu(), time.Now()
		x := index.New(index.Options{Path: filepath.Join(b.TempDir(), "index.db"), Log: z.log, Key: key})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { x.Run(ctx); close(done) }()
		for x.Status().Indexed < n {
			time.Sleep(time.Millisecond)
		}
		took, worked = took+time.Since(start), worked+cpu()-begin
		cancel()
		<-done
	}
	entries := float64(n) * float64(b.N)
	b.ReportMetric(entries/took.Seconds(), "entries/s")
	b.ReportMetric(float64(worked.Microseconds())/entries, "cpu-µs/entry")
	b.ReportMetric(float64(resident(b)-before)/(1<<20), "MB-more")
}

// resident is the memory of this process, in bytes.
func resident(tb testing.TB) int {
	tb.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Fatal(err)
	}
	var size, rss int
	if _, err := fmt.Sscan(string(text), &size, &rss); err != nil {
		tb.Fatal(err)
	}
	return rss * os.Getpagesize()
}

// BenchmarkBeside appends and waits with 8 writers, as the gate does, in turns
// without an index and with one that follows.
func BenchmarkBeside(b *testing.B) {
	z := newZone(b)
	z.rules()
	g := z.ask("jonas", "support", "1001").Grant.Seq
	in := z.login("jonas", g, dublin)
	z.check(z.log.Close())
	z.opt.Clock, z.opt.NoFsync = func() time.Time { return time.Now().AddDate(10, 0, 0) }, false
	z.open()
	const writers, round = 8, 5 * time.Second
	took, worked := map[bool][]time.Duration{}, map[bool]time.Duration{}
	var behind uint64
	run := func(beside bool) {
		begin := cpu()
		defer func() { worked[beside] += cpu() - begin }()
		var mu sync.Mutex
		var group sync.WaitGroup
		end := time.Now().Add(round)
		for range writers {
			group.Go(func() {
				var d record.Draft
				var own []time.Duration
				body := fmt.Appendf(nil, `{"grant":%d,"kind":"select","scope":"case","session":%d}`, g, in)
				for time.Now().Before(end) {
					begin := time.Now()
					d.Reset(record.KindStatement, record.Allowed, "support")
					d.Add(record.PartDecision, body)
					d.Add(record.PartStatement, []byte(`{"sql":"select id, handle, email from users where id = $1"}`))
					ref, err := z.log.Append(&d)
					if err == nil {
						err = z.log.Wait(context.Background(), ref.Seq)
					}
					if err != nil {
						b.Error(err)
						return
					}
					own = append(own, time.Since(begin))
				}
				mu.Lock()
				took[beside] = append(took[beside], own...)
				mu.Unlock()
			})
		}
		group.Wait()
	}
	path := filepath.Join(b.TempDir(), "index.db")
	beside := func() {
		x := index.New(index.Options{Path: path, Log: z.log, Key: key})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { x.Run(ctx); close(done) }()
		run(true)
		behind += x.Status().Durable - x.Status().Indexed
		cancel()
		<-done
	}
	for i := 0; b.Loop(); i++ { // each goes first as often
		if i%2 == 0 {
			run(false)
			beside()
		} else {
			beside()
			run(false)
		}
	}
	at := func(beside bool, share int) float64 {
		slices.Sort(took[beside])
		return float64(took[beside][len(took[beside])*share/100].Nanoseconds())
	}
	b.ReportMetric(float64(len(took[true]))/float64(len(took[false])), "throughput-ratio")
	b.ReportMetric(float64(len(took[false]))/(float64(b.N)*round.Seconds()), "entries/s-alone")
	b.ReportMetric(at(true, 50)/at(false, 50), "p50-ratio")
	b.ReportMetric(at(true, 99)/at(false, 99), "p99-ratio")
	for beside, name := range map[bool]string{false: "cpu-µs/entry-alone", true: "cpu-µs/entry-beside"} {
		b.ReportMetric(float64(worked[beside].Microseconds())/float64(len(took[beside])), name)
	}
	b.ReportMetric(float64(behind)/float64(b.N), "entries-behind")
}
