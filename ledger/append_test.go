package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/record"
)

// The hot path of every gate: what it allocates, the collector takes from the
// gate's processor time. No loop runs here, so the count is Append's alone.
func TestAppendAllocatesNothing(t *testing.T) {
	l := &Log{opt: Options{Gate: "eu-1", Clock: time.Now}, work: make(chan struct{}, 1)}
	body, text := []byte(`{"grant":1,"kind":"select","scope":"case","session":2}`), []byte(`{"params":[],"sql":"select 1"}`)
	var d record.Draft
	n := testing.AllocsPerRun(1000, func() {
		d.Reset(record.KindStatement, record.None, "support")
		d.Add(record.PartDecision, body)
		d.Add(record.PartStatement, text)
		if _, err := l.Append(&d); err != nil {
			t.Fatal(err)
		}
		l.buf = l.buf[:0] // as if written
	})
	if n != 0 || l.next != 1001 {
		t.Errorf("%d entries with %v allocations each", l.next, n)
	}
}

// BenchmarkSync is the disk's part of an append: one frame, one sync.
func BenchmarkSync(b *testing.B) {
	w := &wal{dir: b.TempDir(), segment: 64 << 20, fsync: true}
	frame := append(beginFrame(nil), make([]byte, 700)...)
	endFrame(frame, 0, 0, 0)
	took := make([]time.Duration, 0, b.N)
	for seq := uint64(0); b.Loop(); seq++ {
		begin := time.Now()
		if err := w.write(frame, seq); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	w.file.Close()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*9/10].Nanoseconds())/1e3, "p90-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}
