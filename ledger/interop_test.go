package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/ledger"
	trefoil "github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// What we publish is read by programs that nobody here wrote: Tessera's client
// and fsck, transparency-dev's proof verification, and x/mod's tlog.
func TestOtherClientsReadTheLog(t *testing.T) {
	opt := newLog(t)
	opt.SegmentBytes = 4 << 20
	dir := filepath.Join(opt.Dir, "log")
	var earlier *head
	for _, size := range []uint64{1, 2, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 65_800} {
		l := open(t, opt)
		if n := int(size - l.Next()); n > 0 {
			fill(t, l, n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		now := readAsTessera(t, opt, dir)
		if now.size != size {
			t.Fatalf("Tessera sees %d entries, want %d", now.size, size)
		}
		readAsTlog(t, dir, now, earlier)
		proveAsTessera(t, dir, now, earlier)
		checkAsFsck(t, opt, dir)
		earlier = now
	}
}

type head struct {
	size uint64
	root []byte
}

func readAsTessera(t *testing.T, opt ledger.Options, dir string) *head {
	t.Helper()
	cp, _, _, err := client.FetchCheckpoint(t.Context(), client.FileFetcher{Root: dir}.ReadCheckpoint, opt.Verifier, origin)
	if err != nil {
		t.Fatal(err)
	}
	return &head{cp.Size, cp.Hash}
}

// samples are entries at the edges of bundles and tiles.
func samples(size uint64) (out []uint64) {
	for _, n := range []uint64{0, 1, 254, 255, 256, 510, 65_534, 65_535, 65_536, size / 2, size - 1} {
		if n < size {
			out = append(out, n)
		}
	}
	return out
}

func proveAsTessera(t *testing.T, dir string, now, earlier *head) {
	t.Helper()
	ctx, fetch := t.Context(), client.FileFetcher{Root: dir}
	builder, err := client.NewProofBuilder(ctx, now.size, fetch.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range samples(now.size) {
		bundle, err := client.GetEntryBundle(ctx, fetch.ReadEntryBundle, n/256, now.size)
		if err != nil {
			t.Fatal(err)
		}
		leaf := bundle.Entries[n%256]
		if parsed, err := record.ParseLeaf(leaf); err != nil || parsed.Seq != n {
			t.Fatalf("entry %d is %+v, %v", n, parsed, err)
		}
		path, err := builder.InclusionProof(ctx, n)
		if err == nil {
			err = proof.VerifyInclusion(rfc6962.DefaultHasher, n, now.size, rfc6962.DefaultHasher.HashLeaf(leaf), path, now.root)
		}
		if err != nil {
			t.Errorf("entry %d of %d: %v", n, now.size, err)
		}
	}
	if earlier == nil {
		return
	}
	path, err := builder.ConsistencyProof(ctx, earlier.size, now.size)
	if err == nil {
		err = proof.VerifyConsistency(rfc6962.DefaultHasher, earlier.size, now.size, path, earlier.root, now.root)
	}
	if err != nil {
		t.Errorf("%d entries are not shown to continue %d: %v", now.size, earlier.size, err)
	}
}

func readAsTlog(t *testing.T, dir string, now, earlier *head) {
	t.Helper()
	tree := tlog.Tree{N: int64(now.size), Hash: tlog.Hash(now.root)}
	src := trefoil.Dir(dir)
	r := tlog.TileHashReader(tree, trefoil.TileReader(src))
	for _, n := range samples(now.size) {
		path, err := tlog.ProveRecord(tree.N, int64(n), r)
		if err != nil {
			t.Fatal(err)
		}
		data, err := trefoil.ReadTile(src, trefoil.EntryTile(n, now.size))
		if err != nil {
			t.Fatal(err)
		}
		leaves, err := trefoil.SplitBundle(data, int(n%256)+1)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(path, tree.N, tree.Hash, int64(n), tlog.RecordHash(leaves[n%256])); err != nil {
			t.Errorf("entry %d of %d: %v", n, now.size, err)
		}
	}
	if earlier == nil {
		return
	}
	path, err := tlog.ProveTree(tree.N, int64(earlier.size), r)
	if err == nil {
		err = tlog.CheckTree(path, tree.N, tree.Hash, int64(earlier.size), tlog.Hash(earlier.root))
	}
	if err != nil {
		t.Errorf("%d entries are not shown to continue %d: %v", now.size, earlier.size, err)
	}
}

func checkAsFsck(t *testing.T, opt ledger.Options, dir string) {
	t.Helper()
	if err := runFsck(opt, dir); err != nil {
		t.Errorf("fsck: %v", err)
	}
}

// runFsck gives Tessera's fsck a time limit: of a corrupt log it may wait for ever.
func runFsck(opt ledger.Options, dir string) error {
	check := fsck.New(origin, opt.Verifier, client.FileFetcher{Root: dir}, func(raw []byte) (hashes [][]byte, err error) {
		var bundle api.EntryBundle
		if err := bundle.UnmarshalText(raw); err != nil {
			return nil, err
		}
		for _, e := range bundle.Entries {
			hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
		}
		return hashes, nil
	}, fsck.Opts{N: 2})
	done := make(chan error, 1)
	go func() { done <- check.Check(context.Background()) }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		return fmt.Errorf("it did not end")
	}
}

// Verify and fsck agree that a hash tile above the entries was altered.
func TestVerifyChecksTheUpperTiles(t *testing.T) {
	opt := newLog(t)
	l := open(t, opt)
	fill(t, l, 700)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(opt.Dir, "log", "tile", "1", "000.p", "2")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[40] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(opt, nil); err == nil || !bytes.Contains([]byte(err.Error()), []byte("tile/1/000.p/2")) {
		t.Errorf("verify: %v", err)
	}
	if err := runFsck(opt, filepath.Join(opt.Dir, "log")); err == nil {
		t.Error("fsck found nothing")
	}
	if _, err := ledger.Open(opt); err == nil {
		t.Error("the log opened on altered tiles")
	}
}
