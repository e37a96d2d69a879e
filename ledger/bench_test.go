package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// statement fills d as the gate does for a statement: two parts, about 600
// bytes in the write-ahead log with the leaf.
func statement(d *record.Draft, body, text []byte) {
	d.Reset(record.KindStatement, record.None, "support")
	d.Add(record.PartDecision, body)
	d.Add(record.PartStatement, text)
}

var (
	benchBody = []byte(`{"grant":4711,"kind":"select","scope":"case","session":4712}`)
	benchText = []byte(`{"params":["4711"],"sql":"select id, handle, email from users where id = $1"}`)
)

// BenchmarkAppendWait is one entry after the other, each waited for, by 1, 8
// and 64 writers.
func BenchmarkAppendWait(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			opt := newLog(b)
			opt.SegmentBytes = 0
			l := open(b, opt)
			defer l.Close()
			took := make([][]time.Duration, writers)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					var d record.Draft
					for left.Add(-1) >= 0 {
						begin := time.Now()
						statement(&d, benchBody, benchText)
						ref, err := l.Append(&d)
						if err == nil {
							err = l.Wait(context.Background(), ref.Seq)
						}
						if err != nil {
							b.Error(err)
							return
						}
						took[w] = append(took[w], time.Since(begin))
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			all := slices.Concat(took...)
			slices.Sort(all)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1e3, "p50-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1e3, "p99-µs")
		})
	}
}

// BenchmarkAppend is the place alone, without waiting for the disk.
func BenchmarkAppend(b *testing.B) {
	opt := newLog(b)
	opt.SegmentBytes, opt.CheckpointEvery = 0, time.Hour
	l := open(b, opt)
	var d record.Draft
	b.ReportAllocs()
	for b.Loop() {
		statement(&d, benchBody, benchText)
		for {
			ref, err := l.Append(&d)
			if err == nil {
				break
			}
			if err := l.Wait(context.Background(), max(ref.Seq, l.Next()-1)); err != nil { // the disk does not keep up
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	l.Close()
}

// BenchmarkPublish is the builder: from the write-ahead log to a signed
// checkpoint, in processor time of the whole process.
func BenchmarkPublish(b *testing.B) {
	opt := newLog(b)
	opt.NoFsync = true
	opt = unpublished(b, opt, func(l *ledger.Log) { fill(b, l, b.N) })
	b.ReportAllocs()
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ResetTimer()
	l := open(b, opt)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(cpu.Nanoseconds())/1e3/float64(b.N), "cpu-µs/entry")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func fill(tb testing.TB, l *ledger.Log, n int) {
	tb.Helper()
	var d record.Draft
	var last uint64
	for i := range n {
		statement(&d, benchBody, benchText)
		ref, err := l.Append(&d)
		if err != nil {
			tb.Fatal(err)
		}
		if last = ref.Seq; i%10_000 == 9_999 {
			if err := l.Wait(context.Background(), last); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := l.Wait(context.Background(), last); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkVerify(b *testing.B) {
	const n = 50_000
	opt := newLog(b)
	l := open(b, opt)
	fill(b, l, n-1)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r, err := verify(opt, nil); err != nil || r.Size != n {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkInclusionProof(b *testing.B) {
	const n = 50_000
	opt := newLog(b)
	l := open(b, opt)
	fill(b, l, n-1)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	src := proof.Dir(opt.Dir + "/log")
	raw, err := src.ReadFile("checkpoint")
	if err != nil {
		b.Fatal(err)
	}
	tree, err := proof.OpenCheckpoint(raw, opt.Verifier)
	if err != nil {
		b.Fatal(err)
	}
	i := int64(0)
	for b.Loop() {
		i = (i + 7919) % n
		if _, err := tlog.ProveRecord(tree.N, i, tlog.TileHashReader(tree, proof.TileReader(src))); err != nil {
			b.Fatal(err)
		}
	}
}
