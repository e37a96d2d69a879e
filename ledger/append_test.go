package ledger

import (
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
