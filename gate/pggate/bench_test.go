package pggate

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// Direct is TCP without TLS, the gate TLS with the hold rule and a log that is
// always durable: the difference is what relaying costs.
func ends(b *testing.B, run func(b *testing.B, c *pgx.Conn)) {
	w := newWorld(b)
	b.Run("direct", func(b *testing.B) { run(b, pgtest.Connect(b, w.dsn)) })
	b.Run("gate", func(b *testing.B) {
		c := w.connect("")
		w.session(0).mu.Lock()
		w.session(0).quiet = true
		w.session(0).mu.Unlock()
		run(b, c)
	})
}

func BenchmarkSimple(b *testing.B) {
	ends(b, func(b *testing.B, c *pgx.Conn) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.PgConn().Exec(context.Background(), "select name from people where id = 7").ReadAll(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPrepared(b *testing.B) {
	ends(b, func(b *testing.B, c *pgx.Conn) {
		if _, err := c.Prepare(context.Background(), "s", "select name from people where id = $1"); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			r := c.PgConn().ExecPrepared(context.Background(), "s", [][]byte{[]byte("7")}, nil, nil).Read()
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	})
}

func BenchmarkLargeResult(b *testing.B) {
	ends(b, func(b *testing.B, c *pgx.Conn) {
		for b.Loop() {
			n, err := c.PgConn().CopyTo(context.Background(), counting{b}, "copy (select i, repeat('x', 80) from generate_series(1, 1000000) i) to stdout")
			if err != nil || n.RowsAffected() != 1000000 {
				b.Fatal(err)
			}
		}
		b.SetBytes(1000000 * 88)
	})
}

type counting struct{ *testing.B }

func (counting) Write(b []byte) (int, error) { return len(b), nil }

// No line of this package allocates while statements are relayed. (crypto/tls does:
// 24 bytes for each read.)
func TestRelayingAllocatesNothing(t *testing.T) {
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = 1
	defer func() { runtime.MemProfileRate = rate }()
	w := newWorld(t)
	c := w.connect("").PgConn() // opening a session does allocate
	w.session(0).mu.Lock()
	w.session(0).quiet = true
	w.session(0).mu.Unlock()
	if _, err := c.Prepare(context.Background(), "s", "select name from people where id = $1", nil); err != nil {
		t.Fatal(err)
	}
	some := func() {
		for range 200 {
			if _, err := c.Exec(context.Background(), "select name from people where id = 7").ReadAll(); err != nil {
				t.Fatal(err)
			}
			if r := c.ExecPrepared(context.Background(), "s", [][]byte{[]byte("7")}, nil, nil).Read(); r.Err != nil {
				t.Fatal(r.Err)
			}
			if r := c.ExecParams(context.Background(), "select $1::int", [][]byte{[]byte("7")}, nil, nil, nil).Read(); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	some()
	before := ours()
	some()
	after := ours()
	if len(after) == 0 {
		t.Error("the profile shows no allocation of this package at all, so it shows nothing")
	}
	for line, n := range after {
		if n -= before[line]; n > 0 {
			t.Errorf("%s allocated %d times in 600 statements", line, n)
		}
	}
}

// ours counts allocations so far by the line of this package that made them.
func ours() map[string]int64 {
	runtime.GC() // the profile is as of the last but one
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 20000)
	n, ok := runtime.MemProfile(records, true)
	if !ok {
		panic("more allocation sites than expected")
	}
	counts := map[string]int64{}
	for _, r := range records[:n] {
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "internal/runtime") {
				continue
			}
			// gate.New.func: what fills the pools, after a collection has emptied them.
			if strings.Contains(f.Function, "gate/pggate.") && !strings.Contains(f.Function, "pggate.New.func") && !strings.HasSuffix(f.File, "_test.go") {
				counts[fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)] += r.AllocObjects
			}
			break
		}
	}
	return counts
}
