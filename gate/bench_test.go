package gate

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/record"
)

// BenchmarkRecord is what the record alone allows: sessions that record a
// statement, wait until it is durable, record its result and begin again. B/statement is
// what lies on disk once all of it is published.
func BenchmarkRecord(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		for _, who := range []string{"person", "service"} {
			b.Run(fmt.Sprintf("%s/sessions=%d", who, clients), func(b *testing.B) { benchRecord(b, who == "service", clients) })
		}
	}
}

func benchRecord(b *testing.B, service bool, clients int) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "trefoil.example/bench")
	if err != nil {
		b.Fatal(err)
	}
	opt := ledger.Options{Dir: b.TempDir(), Gate: "bench", Clock: time.Now, Master: ledger.NewSeed()}
	if opt.Signer, err = note.NewSigner(skey); err == nil {
		opt.Verifier, err = note.NewVerifier(vkey)
	}
	if err == nil {
		_, err = ledger.Create(opt, record.Genesis{Zone: "eu", LogKey: vkey, Overseers: []string{}})
	}
	if err != nil {
		b.Fatal(err)
	}
	log, err := ledger.Open(opt)
	if err != nil {
		b.Fatal(err)
	}
	g := serviceGate(log)
	grant := aService
	if !service {
		grant.Service = ""
	}
	var todo atomic.Int64
	todo.Store(int64(b.N))
	var running sync.WaitGroup
	b.ResetTimer()
	for i := range clients {
		s := newSession(g, access.Admission{Session: uint64(100 + i), Grant: grant}, access.Attempt{}, nil)
		running.Go(func() {
			st := pggate.Statement{Protocol: pggate.Extended, Kind: "select", Name: []byte("stmtcache_1"), SQL: []byte("SELECT abalance FROM pgbench_accounts WHERE aid = $1"), Params: []pggate.Param{{Value: []byte("4711")}}}
			for todo.Add(-1) >= 0 {
				pos, err := s.Statement(&st)
				if err == nil {
					err = s.Wait(context.Background(), pos)
				}
				if err == nil {
					err = s.Result(&pggate.Result{Pos: pos, Rows: 1, Bytes: 90, Duration: 200 * time.Microsecond})
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
			if err := s.finish(); err != nil {
				b.Error(err)
			}
		})
	}
	running.Wait()
	b.StopTimer()
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "statements/s")
	b.ReportMetric(float64(published(b, opt.Dir))/float64(b.N), "B/statement")
}

// published is the size of the log without what the write-ahead log keeps.
func published(b *testing.B, dir string) (size int64) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".wal") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
