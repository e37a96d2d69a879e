package ledger_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

const origin = "trefoil.example/eu"

// newLog makes a log with its genesis and gives the options that open it.
func newLog(t testing.TB) ledger.Options {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	opt := ledger.Options{Dir: t.TempDir(), Gate: "eu-1", Clock: time.Now, Master: ledger.NewSeed(), SegmentBytes: 1 << 20}
	if opt.Signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	if opt.Verifier, err = note.NewVerifier(vkey); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Create(opt, record.Genesis{Zone: "eu", LogKey: vkey, Overseers: []string{}}); err != nil {
		t.Fatal(err)
	}
	return opt
}

func open(t testing.TB, opt ledger.Options) *ledger.Log {
	t.Helper()
	l, err := ledger.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func draft(kind record.Kind, text string) *record.Draft {
	var d record.Draft
	d.Reset(kind, record.None, "support")
	d.Add(record.PartDecision, []byte(text))
	d.Add(record.PartStatement, []byte("select "+text))
	return &d
}

func appendN(t testing.TB, l *ledger.Log, n int) {
	t.Helper()
	var last ledger.Ref
	for i := range n {
		ref, err := l.Append(draft(record.KindStatement, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		last = ref
	}
	if err := l.Wait(context.Background(), last.Seq); err != nil {
		t.Fatal(err)
	}
}

func verify(opt ledger.Options, earlier []byte) (ledger.Report, error) {
	return ledger.Verify(ledger.VerifyOptions{Source: proof.Dir(filepath.Join(opt.Dir, "log")), Dir: opt.Dir, Master: &opt.Master, Earlier: earlier})
}

func TestEntriesSurviveReopening(t *testing.T) {
	opt := newLog(t)
	want := uint64(1)
	for round, n := range []int{3, 252, 1, 700, 0, 256} {
		l := open(t, opt)
		if l.Epoch() != uint64(round+1) && n > 0 && round < 4 {
			t.Errorf("round %d: epoch %d", round, l.Epoch())
		}
		if l.Next() != want {
			t.Fatalf("round %d: next is %d, want %d", round, l.Next(), want)
		}
		if n > 0 {
			appendN(t, l, n)
		}
		want += uint64(n)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := verify(opt, nil)
		if err != nil || r.Size != want || r.Tail != 0 || r.Opened != 2*want-1 {
			t.Fatalf("round %d: %+v, %v; want %d entries", round, r, err, want)
		}
	}
}

func TestOneOwner(t *testing.T) {
	opt := newLog(t)
	l := open(t, opt)
	defer l.Close()
	if _, err := ledger.Open(opt); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("second open: %v, want one that names the process", err)
	}
}

func TestManyWritersGetEachPlaceOnce(t *testing.T) {
	opt := newLog(t)
	l := open(t, opt)
	var mu sync.Mutex
	seen := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 200 {
				text := fmt.Sprintf("%d/%d", w, i)
				ref, err := l.Append(draft(record.KindStatement, text))
				if err == nil {
					err = l.Wait(context.Background(), ref.Seq)
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if was, twice := seen[ref.Seq]; twice {
					t.Errorf("place %d given to %s and %s", ref.Seq, was, text)
				}
				seen[ref.Seq] = text
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	check := func() {
		for seq, text := range seen {
			if e, err := l.Read(seq); err != nil || string(e.Parts[0].Data) != text || e.Seq != seq {
				t.Fatalf("entry %d: %v, want %q", seq, err, text)
			}
		}
	}
	check()
	n := uint64(0)
	err := l.Walk(1, l.Next(), func(*record.Leaf) bool { return true }, func(e record.Entry) error {
		if string(e.Parts[0].Data) != seen[e.Seq] {
			t.Errorf("entry %d is %q", e.Seq, e.Parts[0].Data)
		}
		n++
		return nil
	})
	if err != nil || n != 3200 {
		t.Errorf("walked %d entries: %v", n, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, opt)
	defer l.Close()
	check()
}

// crash copies the directory of a log that is not open.
func crash(t testing.TB, opt ledger.Options) ledger.Options {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(opt.Dir)); err != nil {
		t.Fatal(err)
	}
	opt.Dir = dir
	return opt
}

// unpublished is a directory as left by a process killed before it published
// anything of what write appended.
func unpublished(t testing.TB, opt ledger.Options, write func(*ledger.Log)) ledger.Options {
	t.Helper()
	killed := crash(t, opt)
	opt.SegmentBytes = 64 << 20 // so that none is dropped
	l := open(t, opt)
	write(l)
	if err := os.RemoveAll(filepath.Join(killed.Dir, "wal")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(killed.Dir, "wal"), os.DirFS(filepath.Join(opt.Dir, "wal"))); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // an orderly end leaves nothing in it
		t.Fatal(err)
	}
	return killed
}

func TestTornTailIsDroppedAndDamageIsNot(t *testing.T) {
	opt := unpublished(t, newLog(t), func(l *ledger.Log) {
		for range 20 {
			appendN(t, l, 1) // groups of one
		}
	})
	const next = 21
	copied := crash(t, opt)
	segments, _ := filepath.Glob(filepath.Join(copied.Dir, "wal", "*.wal"))
	if len(segments) != 1 {
		t.Fatalf("segments %v", segments)
	}
	data, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(data, "\x00"))

	torn := append([]byte(nil), data...)
	torn[end-1] ^= 1
	os.WriteFile(segments[0], torn, 0o600)
	l2 := open(t, copied)
	if l2.Next() != next-1 {
		t.Errorf("after a torn tail next is %d, want %d", l2.Next(), next-1)
	}
	appendN(t, l2, 2)
	if err := l2.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := verify(copied, nil); err != nil || r.Size != next+1 {
		t.Errorf("%+v, %v", r, err)
	}

	copied = crash(t, opt)
	damaged := append([]byte(nil), data...)
	damaged[end/2] ^= 1
	os.WriteFile(filepath.Join(copied.Dir, "wal", filepath.Base(segments[0])), damaged, 0o600)
	if _, err := ledger.Open(copied); !errors.Is(err, ledger.ErrInconsistent) {
		t.Errorf("a damaged acknowledged entry was accepted: %v", err)
	}
}

// As after a crash between making a segment and writing to it: in full, before it was
// given its space, or with a first group cut short.
func TestEmptyNewestSegmentReusesNothing(t *testing.T) {
	for name, left := range map[string][]byte{"zeros": make([]byte, 1<<16), "nothing": nil, "little": make([]byte, 7), "a torn frame": []byte("TRF1\x00\x00\x01\x00torn")} {
		t.Run(name, func(t *testing.T) {
			opt := newLog(t)
			l := open(t, opt)
			appendN(t, l, 10)
			next := l.Next()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(opt.Dir, "wal", fmt.Sprintf("%020d.wal", next))
			if err := os.WriteFile(path, left, 0o600); err != nil {
				t.Fatal(err)
			}
			l = open(t, opt)
			if l.Next() != next {
				t.Fatalf("next is %d, want %d", l.Next(), next)
			}
			appendN(t, l, 3)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err := verify(opt, nil); err != nil || r.Size != next+3 {
				t.Fatalf("%+v, %v", r, err)
			}
		})
	}
}

func TestVerifyNamesTheAlteredEntry(t *testing.T) {
	opt := newLog(t)
	l := open(t, opt)
	appendN(t, l, 600)
	l.Close()
	bundle := filepath.Join(opt.Dir, "log", "tile", "entries", "001")
	evidence := filepath.Join(opt.Dir, "evidence", "001")
	edit := func(path string, change func([]byte) []byte) ledger.Options {
		c := crash(t, opt)
		p := filepath.Join(c.Dir, strings.TrimPrefix(path, opt.Dir))
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(p, change(data), 0o644)
		return c
	}
	swap := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("nothing to alter: %q", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	for name, c := range map[string]struct {
		opt  ledger.Options
		want uint64
	}{
		"purpose of one leaf":  {edit(bundle, swap("seq 300\n", "seq 301\n")), 300},
		"purpose of the first": {edit(bundle, swap("purpose support", "purpose suppork")), 256},
		"a sealed part":        {edit(evidence, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), 511},
		"evidence cut short":   {edit(evidence, func(b []byte) []byte { return b[:len(b)-5] }), 511},
	} {
		_, err := verify(c.opt, nil)
		var f *record.Fault
		if !errors.As(err, &f) || f.Seq != c.want {
			t.Errorf("%s: %v, want entry %d named", name, err, c.want)
		}
	}
	if _, err := verify(opt, nil); err != nil {
		t.Errorf("untouched: %v", err)
	}
}

func TestVerifyFindsARewrittenHistory(t *testing.T) {
	opt := newLog(t)
	before := crash(t, opt)
	l := open(t, opt)
	appendN(t, l, 10)
	l.Close()
	kept, err := os.ReadFile(filepath.Join(opt.Dir, "log", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	l = open(t, before) // the same keys tell another story
	appendN(t, l, 20)
	l.Close()
	if _, err := verify(before, nil); err != nil {
		t.Errorf("the second history is consistent in itself: %v", err)
	}
	if _, err := verify(before, kept); err == nil || !strings.Contains(err.Error(), "rewritten") {
		t.Errorf("with a checkpoint kept from before: %v", err)
	}
}

func TestClockSetBackHalts(t *testing.T) {
	opt := newLog(t)
	now := time.Now()
	var mu sync.Mutex
	opt.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	set := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock() }
	l := open(t, opt)
	defer l.Close()
	appendN(t, l, 1)
	set(-4 * time.Second)
	appendN(t, l, 1) // small steps back stand still
	set(-2 * time.Second)
	_, err := l.Append(draft(record.KindStatement, "x"))
	if f := fault.Public(err); f.Kind != fault.NotRecorded {
		t.Errorf("append with the clock 6 s behind: %v", err)
	}
	select {
	case <-l.Failed():
	default:
		t.Error("the log did not halt")
	}
}

func TestVerifyComparesTheRootThatWasSigned(t *testing.T) {
	opt := newLog(t)
	other := crash(t, opt)
	for _, o := range []ledger.Options{opt, other} {
		l := open(t, o)
		appendN(t, l, 20)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Entries, tiles, evidence and keys of one history under the checkpoint of another.
	cp, err := os.ReadFile(filepath.Join(opt.Dir, "log", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other.Dir, "log", "checkpoint"), cp, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(other, nil); err == nil || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("another root than the signed one: %v", err)
	}
}

func TestNothingLiesInClearOnceItIsQuiet(t *testing.T) {
	opt := newLog(t)
	opt.RetireAfter = 20 * time.Millisecond
	l := open(t, opt)
	appendN(t, l, 5)
	for begun := time.Now(); ; { // the end of the wait is the event
		segments, err := filepath.Glob(filepath.Join(opt.Dir, "wal", "*.wal"))
		if err != nil {
			t.Fatal(err)
		}
		if len(segments) == 0 {
			break
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("published entries still lie in %v", segments)
		}
	}
	appendN(t, l, 5) // and it goes on
	if e, err := l.Read(l.Next() - 1); err != nil || string(e.Parts[0].Data) != "4" {
		t.Errorf("%v, %v", e, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(opt.Dir, "wal", "*.wal")); len(left) != 0 {
		t.Errorf("after an orderly end %v is left", left)
	}
	l = open(t, opt)
	defer l.Close()
	appendN(t, l, 3)
	if r, err := verify(opt, nil); err != nil || r.Size+r.Tail != 14 {
		t.Errorf("%+v, %v", r, err)
	}
}
