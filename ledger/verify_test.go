package ledger_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
)

// A log in use is verified by somebody who sees only what it publishes, over
// HTTP and from the files, while partial tiles come and go. Each round keeps the
// checkpoint it verified, and the next holds the log to it.
func TestVerifyWhatIsPublishedMeanwhile(t *testing.T) {
	opt := newLog(t)
	opt.CheckpointEvery = time.Millisecond
	l := open(t, opt)
	dir := filepath.Join(opt.Dir, "log")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for name, src := range map[string]proof.Source{"HTTP": proof.HTTP{URL: server.URL}, "directory": proof.Dir(dir)} {
		wg.Go(func() {
			var kept []byte
			var size uint64
			for rounds, last := 0, false; !last; rounds++ {
				last = ctx.Err() != nil
				r, err := ledger.Verify(ledger.VerifyOptions{Source: src, Earlier: kept})
				if err != nil || r.Size < size {
					t.Errorf("%s, round %d: %d entries after %d, %v", name, rounds, r.Size, size, err)
					return
				}
				tree, err := proof.OpenCheckpoint(r.Checkpoint, opt.Verifier)
				if err != nil || uint64(tree.N) != r.Size || tree.Hash != r.Root {
					t.Errorf("%s, round %d: the checkpoint is of %d entries, not %d: %v", name, rounds, tree.N, r.Size, err)
					return
				}
				kept, size = r.Checkpoint, r.Size
			}
			if size <= 3*proof.TileWidth {
				t.Errorf("%s: only %d entries at the end: no partial tile became a full one on the way", name, size)
			}
		})
	}
	for range 100 {
		appendN(t, l, 17)
	}
	if err := l.Close(); err != nil { // everything is published now
		t.Error(err)
	}
	stop()
	wg.Wait()
}
