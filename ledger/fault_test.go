package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// events is a log handler by which a test awaits what the log says.
type events chan string

func (e events) Enabled(context.Context, slog.Level) bool { return true }
func (e events) WithAttrs([]slog.Attr) slog.Handler       { return e }
func (e events) WithGroup(string) slog.Handler            { return e }
func (e events) Handle(_ context.Context, r slog.Record) error {
	select {
	case e <- r.Message:
	default:
	}
	return nil
}

func (e events) await(t *testing.T, what string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case got := <-e:
			if strings.Contains(got, what) {
				return
			}
		case <-limit:
			t.Fatalf("the log never said %q", what)
		}
	}
}

// told collects what was acknowledged.
type told struct {
	mu    sync.Mutex
	texts map[uint64]string
}

func (a *told) add(t testing.TB, seq uint64, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if was, twice := a.texts[seq]; twice {
		t.Errorf("place %d was given to %q and %q", seq, was, text)
	}
	if a.texts == nil {
		a.texts = map[uint64]string{}
	}
	a.texts[seq] = text
}

// check finds every acknowledged entry in the log.
func (a *told) check(t testing.TB, l *ledger.Log) {
	t.Helper()
	found := 0
	err := l.Walk(1, l.Next(), func(*record.Leaf) bool { return true }, func(e record.Entry) error {
		if text, ok := a.texts[e.Seq]; ok {
			if found++; string(e.Parts[0].Data) != text {
				t.Errorf("entry %d is %q, acknowledged as %q", e.Seq, e.Parts[0].Data, text)
			}
		}
		return nil
	})
	if err != nil || found != len(a.texts) {
		t.Errorf("%d of %d acknowledged entries are there, %v", found, len(a.texts), err)
	}
}

// write appends and waits until the log refuses, and gives the refusal.
func (a *told) write(t testing.TB, l *ledger.Log, name string) error {
	for i := 0; ; i++ {
		text := fmt.Sprintf("%s/%d", name, i)
		ref, err := l.Record(context.Background(), draft(record.KindStatement, text))
		if err != nil {
			return err
		}
		a.add(t, ref.Seq, text)
	}
}

// refused says that nothing is let through, in a sentence.
func refused(t testing.TB, err error, why string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.NotRecorded || !strings.Contains(f.Message, why) || f.Hint == "" {
		t.Errorf("refused with %v, want one of kind NotRecorded that says %q and a hint", err, why)
	}
}

func TestFullDiskUnderTheWriteAheadLog(t *testing.T) {
	opt := newLog(t)
	disk := mountSmall(t, filepath.Join(opt.Dir, "wal"), 2<<20)
	if disk == nil {
		return // ran in a namespace of its own
	}
	said := make(events, 100)
	opt.Logger, opt.SegmentBytes, opt.CheckpointEvery = slog.New(said), 128<<10, time.Hour
	l := open(t, opt)
	disk.fill(t, 300<<10)
	var ack told
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() { refused(t, ack.write(t, l, fmt.Sprint(w)), "no space left") })
	}
	wg.Wait()
	said.await(t, "until there is space")

	_, err := l.Append(draft(record.KindStatement, "while full"))
	refused(t, err, "no space left")
	// What has a place but is not durable must not be waited for without end.
	if l.Next() == l.Durable() {
		t.Fatal("no entry was pending: the test shows nothing")
	}
	refused(t, l.Wait(context.Background(), l.Next()-1), "no space left")
	select {
	case <-l.Failed():
		t.Fatalf("a full disk is no reason to end: %v", l.Err())
	default:
	}
	full := l.Next()

	disk.free(t)
	said.await(t, "there is space again")
	if ref, err := l.Record(t.Context(), draft(record.KindStatement, "after")); err != nil || ref.Seq != full {
		t.Fatalf("entry %d, %v; want %d", ref.Seq, err, full)
	} else {
		ack.add(t, ref.Seq, "after")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, opt)
	ack.check(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := verify(opt, nil); err != nil || r.Size != full+1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A process that ends while the disk is full loses what was never acknowledged.
func TestClosingOnAFullDisk(t *testing.T) {
	opt := newLog(t)
	disk := mountSmall(t, filepath.Join(opt.Dir, "wal"), 2<<20)
	if disk == nil {
		return
	}
	opt.SegmentBytes, opt.CheckpointEvery = 128<<10, time.Hour
	l := open(t, opt)
	disk.fill(t, 300<<10)
	var ack told
	refused(t, ack.write(t, l, "one"), "no space left")
	if err := l.Close(); !errors.Is(err, ledger.ErrNoSpace) {
		t.Errorf("closed with %v", err)
	}
	disk.free(t)
	l = open(t, opt)
	ack.check(t, l)
	if n := uint64(len(ack.texts)); l.Next() != n+1 {
		t.Errorf("next is %d after %d acknowledged entries", l.Next(), n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(opt, nil); err != nil {
		t.Error(err)
	}
}

// What can't be published is recorded all the same, and published later.
func TestFullDiskUnderWhatIsPublished(t *testing.T) {
	for _, sub := range []string{"evidence", "log"} {
		t.Run(sub, func(t *testing.T) {
			opt := newLog(t)
			disk := mountSmall(t, filepath.Join(opt.Dir, sub), 1<<20)
			if disk == nil {
				return
			}
			said := make(events, 100)
			opt.Logger, opt.CheckpointEvery = slog.New(said), time.Millisecond
			l := open(t, opt)
			disk.fill(t, 16<<10)
			var ack told
			for i := range 500 {
				ref, err := l.Record(t.Context(), draft(record.KindStatement, fmt.Sprint(i)))
				if err != nil {
					t.Fatal(err)
				}
				ack.add(t, ref.Seq, fmt.Sprint(i))
			}
			said.await(t, "recorded but not published")
			ack.check(t, l)
			if _, err := verify(opt, nil); err != nil {
				t.Errorf("while full: %v", err)
			}
			disk.free(t)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err := verify(opt, nil); err != nil || r.Size != 501 || r.Tail != 0 {
				t.Errorf("%+v, %v", r, err)
			}
			l = open(t, opt)
			ack.check(t, l)
			l.Close()
		})
	}
}

func TestKeysThatAreNotTheLogs(t *testing.T) {
	for _, n := range []int{10, 255} { // within a bundle, and at its end
		opt := newLog(t)
		l := open(t, opt)
		appendN(t, l, n)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		refuse := func(name string, opt ledger.Options, want string) {
			t.Helper()
			if l, err := ledger.Open(opt); err == nil {
				l.Close()
				t.Errorf("%d entries, %s: the log opened", n, name)
			} else if !strings.Contains(err.Error(), want) {
				t.Errorf("%d entries, %s: %v, want %q", n, name, err, want)
			}
		}
		lost := crash(t, opt)
		if err := os.Remove(filepath.Join(lost.Dir, "keys.db")); err != nil {
			t.Fatal(err)
		}
		refuse("without keys.db", lost, "keys.db is missing")
		if _, err := verify(lost, nil); err == nil || !strings.Contains(err.Error(), "keys.db is missing") {
			t.Errorf("verify without keys.db: %v", err)
		}
		if _, err := os.Stat(filepath.Join(lost.Dir, "keys.db")); err == nil {
			t.Error("an empty keys.db was put in the place of the lost one")
		}
		other := newLog(t)
		if err := os.Rename(filepath.Join(other.Dir, "keys.db"), filepath.Join(lost.Dir, "keys.db")); err != nil {
			t.Fatal(err)
		}
		refuse("with another log's keys.db", lost, "keys")
		if err := os.WriteFile(filepath.Join(lost.Dir, "keys.db"), []byte("not a database, but long enough to look at\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		refuse("with rubbish for keys.db", lost, "keys.db")

		wrong := crash(t, opt)
		wrong.Master = ledger.NewSeed()
		refuse("with another master key", wrong, "do not open with this evidence master key")
		if _, err := verify(wrong, nil); err == nil || !strings.Contains(err.Error(), "master key") {
			t.Errorf("verify with another master key: %v", err)
		}

		wrong = crash(t, opt)
		wrong.Signer, wrong.Verifier = other.Signer, other.Verifier
		refuse("with another log key", wrong, "is this the key the log was made with?")
		wrong = crash(t, opt)
		wrong.Signer = other.Signer
		refuse("with a signer that is not the verifier's", wrong, "is not the key")
	}
	opt := newLog(t)
	opt.Dir = t.TempDir()
	if _, err := ledger.Open(opt); !errors.Is(err, ledger.ErrNoLog) || !strings.Contains(err.Error(), "trefoil init") {
		t.Errorf("in an empty directory: %v", err)
	}
	_, vkey, err := note.GenerateKey(strings.NewReader(strings.Repeat("x", 64)), origin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Create(opt, record.Genesis{Zone: "eu", LogKey: vkey, Overseers: []string{}}); err == nil {
		t.Error("a genesis that names another key than the one that signs it")
	}
	if _, err := ledger.Open(opt); !errors.Is(err, ledger.ErrNoLog) {
		t.Errorf("half of a log opened: %v", err)
	}
}

func TestCreateTwice(t *testing.T) {
	opt := newLog(t)
	if _, err := ledger.Create(opt, record.Genesis{Zone: "eu"}); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("%v", err)
	}
	if _, err := verify(opt, nil); err != nil {
		t.Errorf("and the log there is no longer whole: %v", err)
	}
}

// Every entry acknowledged while the log closes is in it; everybody else is told.
func TestCloseUnderLoad(t *testing.T) {
	opt := newLog(t)
	for range 5 {
		l := open(t, opt)
		before := l.Next()
		var ack told
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() { refused(t, ack.write(t, l, fmt.Sprint(w)), "the log is closed") })
		}
		if err := l.Wait(t.Context(), before+200); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Errorf("a second time: %v", err)
		}
		l = open(t, opt)
		ack.check(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := verify(opt, nil); err != nil || r.Tail != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Entries are read, walked and verified while they are published and the
// segments they came from are dropped.
func TestReadersWhilePublishing(t *testing.T) {
	opt := newLog(t)
	opt.SegmentBytes, opt.CheckpointEvery = 16<<10, time.Millisecond
	l := open(t, opt)
	defer l.Close()
	const total = 4000
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	reader := func(name string, read func(durable uint64) error) {
		wg.Go(func() {
			for rounds := 0; ctx.Err() == nil || rounds == 0; rounds++ {
				if err := read(l.Durable()); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	reader("newest", func(n uint64) error {
		e, err := l.Read(n - 1)
		if err == nil && (e.Seq != n-1 || len(e.Parts) == 0) {
			err = fmt.Errorf("entry %d is %+v", n-1, e)
		}
		return err
	})
	reader("leaf", func(n uint64) error {
		leaf, err := l.Leaf(n - 1)
		if err == nil {
			_, err = record.ParseLeaf(leaf)
		}
		return err
	})
	reader("any", func(n uint64) error { _, err := l.Read(uint64(time.Now().UnixNano()) % n); return err })
	reader("walk", func(n uint64) error {
		from := n - min(n, 700)
		var kept []record.Entry
		err := l.Walk(from, n, func(*record.Leaf) bool { return true }, func(e record.Entry) error { kept = append(kept, e); return nil })
		for i, e := range kept { // what a visit was given stays what it was
			if e.Seq != from+uint64(i) || record.Commit(e.Parts) != e.Commit {
				return fmt.Errorf("entry %d: number %d of the walk from %d, or not its parts", e.Seq, i, from)
			}
		}
		if err == nil && len(kept) != int(n-from) {
			err = fmt.Errorf("%d entries between %d and %d", len(kept), from, n)
		}
		return err
	})
	reader("verify", func(n uint64) error {
		r, err := verify(opt, nil)
		if err == nil && r.Size+r.Tail < n {
			err = fmt.Errorf("verified %d and %d entries, of which %d were durable before", r.Size, r.Tail, n)
		}
		return err
	})
	for n := 0; n < total; n += 20 {
		appendN(t, l, 20)
	}
	stop()
	wg.Wait()
}

// Somebody damages the write-ahead log of a running process: it halts.
func TestDamageUnderARunningLog(t *testing.T) {
	opt := newLog(t)
	opt.CheckpointEvery = 200 * time.Millisecond
	l := open(t, opt)
	defer l.Close()
	appendN(t, l, 1)
	for l.Published() < 2 { // from here on the builder pauses
		if _, err := l.Leaf(1); err != nil {
			t.Fatal(err)
		}
	}
	appendN(t, l, 10)
	segments, err := filepath.Glob(filepath.Join(opt.Dir, "wal", "*.wal"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	if err := os.Truncate(segments[0], 0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.Failed():
	case <-time.After(30 * time.Second):
		t.Fatal("the log goes on")
	}
	if !errors.Is(l.Err(), ledger.ErrInconsistent) {
		t.Errorf("%v", l.Err())
	}
	_, err = l.Append(draft(record.KindStatement, "x"))
	refused(t, err, "inconsistent")
}

// Nothing half-written stays in what is published, and nothing of anybody
// else's is taken for it.
func TestLeftoversAreRemoved(t *testing.T) {
	opt := newLog(t)
	l := open(t, opt)
	appendN(t, l, 300)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	touch := func(path string) string {
		path = filepath.Join(opt.Dir, path)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ours := []string{touch("log/.checkpoint.123"), touch("log/tile/0/.001.9"), touch("log/tile/entries/.001.77"), touch("log/tile/entries/001.p/.60.5")}
	theirs := []string{touch(".env.local"), touch(".trefoil.yaml.swp")}
	open(t, opt).Close()
	for _, path := range ours {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range theirs {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestGenesisIsCheckedByItself(t *testing.T) {
	opt := newLog(t)
	raw, err := proof.Dir(filepath.Join(opt.Dir, "log")).ReadFile("genesis.json")
	if err != nil {
		t.Fatal(err)
	}
	g, key, hash, err := ledger.ParseGenesis(raw)
	if err != nil || g.Origin != origin || key.Name() != origin || g.Zone != "eu" {
		t.Fatalf("%+v, %v", g, err)
	}
	if _, err := ledger.Verify(ledger.VerifyOptions{Source: proof.Dir(filepath.Join(opt.Dir, "log")), Genesis: hash.String()}); err != nil {
		t.Errorf("with the genesis people compare: %v", err)
	}
	if _, err := ledger.Verify(ledger.VerifyOptions{Source: proof.Dir(filepath.Join(opt.Dir, "log")), Genesis: record.LeafHash(nil).String()}); err == nil || !strings.Contains(err.Error(), "another log") {
		t.Errorf("with another genesis: %v", err)
	}
	for i := range raw {
		altered := []byte(string(raw))
		altered[i] ^= 1
		if _, _, h, err := ledger.ParseGenesis(altered); err == nil && h == hash {
			t.Errorf("byte %d (%q) altered and not noticed", i, raw[max(0, i-10):min(len(raw), i+10)])
		}
	}
}
