package ledger_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/record"
)

const childDir = "TREFOIL_TEST_KILL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func killOptions(dir, skey, vkey, master string) (opt ledger.Options, err error) {
	opt = ledger.Options{Dir: dir, Gate: "eu-1", Clock: time.Now, SegmentBytes: 64 << 10, CheckpointEvery: 3 * time.Millisecond}
	if opt.Signer, err = note.NewSigner(skey); err != nil {
		return opt, err
	}
	if opt.Verifier, err = note.NewVerifier(vkey); err != nil {
		return opt, err
	}
	raw, err := hex.DecodeString(master)
	copy(opt.Master[:], raw)
	return opt, err
}

// appendUntilKilled is the child: it prints each entry once it is acknowledged.
func appendUntilKilled(dir string) error {
	opt, err := killOptions(dir, os.Getenv("TREFOIL_TEST_SKEY"), os.Getenv("TREFOIL_TEST_VKEY"), os.Getenv("TREFOIL_TEST_MASTER"))
	if err != nil {
		return err
	}
	l, err := ledger.Open(opt)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(out, "open %d\n", l.Next())
	out.Flush()
	errs := make(chan error)
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				text := fmt.Sprintf("%d/%d/%d/%s", l.Epoch(), w, i, strings.Repeat("x", i%900))
				ref, err := l.Record(context.Background(), draft(record.KindStatement, text))
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				fmt.Fprintf(out, "ack %d %s\n", ref.Seq, text)
				if out.Buffered() > 2000 || w == 0 {
					out.Flush()
				}
				mu.Unlock()
			}
		}()
	}
	return <-errs
}

// A process is killed again and again at any moment, in the middle of appending,
// publishing and dropping segments. Whatever it acknowledged is there, in its
// place, once, and the log is whole. TREFOIL_KILLS sets how often,
// TREFOIL_SEED repeats a run's moments.
func TestKilledAtAnyMoment(t *testing.T) {
	kills := 5
	if s := os.Getenv("TREFOIL_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TREFOIL_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TREFOIL_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))

	var entropy [32]byte
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(entropy[:])
	skey, vkey, err := note.GenerateKey(strings.NewReader(string(entropy[:])), origin)
	if err != nil {
		t.Fatal(err)
	}
	master := ledger.NewSeed()
	opt, err := killOptions(t.TempDir(), skey, vkey, hex.EncodeToString(master[:]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Create(opt, record.Genesis{Zone: "eu", LogKey: vkey, Overseers: []string{}}); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), childDir+"="+opt.Dir, "TREFOIL_TEST_SKEY="+skey, "TREFOIL_TEST_VKEY="+vkey, "TREFOIL_TEST_MASTER="+hex.EncodeToString(master[:]))

	var ack told
	var checkpoint []byte
	for kill := range kills {
		opened := killChild(t, env, time.Duration(random.Int64N(int64(400*time.Millisecond))), &ack)
		if random.IntN(3) == 0 && kill+1 < kills {
			continue // the next child finds what this one left
		}
		before := uint64(0)
		for seq := range ack.texts {
			before = max(before, seq+1)
		}
		// As left by the kill, before anything repairs it: verify only reads.
		r, err := verify(opt, checkpoint)
		if err != nil || r.Size+r.Tail < before {
			t.Fatalf("kill %d: %+v, %v; %d entries were acknowledged", kill, r, err, before)
		}
		l, err := ledger.Open(opt)
		if err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
		if l.Next() < before || l.Next() < opened {
			t.Fatalf("kill %d: the log goes on at %d, %d were acknowledged and %d were there before", kill, l.Next(), before, opened)
		}
		ack.check(t, l)
		ref, err := l.Record(t.Context(), draft(record.KindStatement, "after a kill"))
		if err != nil {
			t.Fatal(err)
		}
		ack.add(t, ref.Seq, "after a kill")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err = verify(opt, checkpoint); err != nil || r.Tail != 0 {
			t.Fatalf("kill %d: %+v, %v", kill, r, err)
		}
		if checkpoint, err = os.ReadFile(opt.Dir + "/log/checkpoint"); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d kills, %d acknowledged entries, all there", kills, len(ack.texts))
}

// killChild starts a child, waits until it appends, kills it after the time, and
// takes down what it acknowledged. It gives the sequence the child began with.
func killChild(t *testing.T, env []string, after time.Duration, ack *told) (opened uint64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = env
	var stderr strings.Builder
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	lines := bufio.NewReader(out)
	if _, err := fmt.Fscanf(lines, "open %d\n", &opened); err != nil {
		child.Process.Kill()
		t.Fatalf("the child does not open the log: %v\n%s", err, stderr.String())
	}
	timer := time.AfterFunc(after, func() { child.Process.Kill() })
	defer timer.Stop()
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF { // a line cut short by the kill says nothing
			return opened
		}
		var seq uint64
		var text string
		if _, err := fmt.Sscanf(line, "ack %d %s\n", &seq, &text); err != nil {
			t.Fatalf("%q: %v\n%s", line, err, stderr.String())
		}
		ack.add(t, seq, text)
	}
}
