package index_test

import (
	"context"
	"fmt"
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
	for b.Loop() {
		begin := cpu()
		x := index.New(index.Options{Path: b.TempDir() + "/index.db", Log: z.log, Key: key})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		start := time.Now()
		go func() { x.Run(ctx); close(done) }()
		for x.Status().Indexed < n {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "entries/s")
		cancel()
		<-done
		b.ReportMetric(float64((cpu()-begin).Nanoseconds())/float64(n)/1e3, "cpu-µs/entry")
	}
}
