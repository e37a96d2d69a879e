package index_test

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/index"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// whole indexes a log in one go, beside the index under test.
func (z *zone) whole() string {
	z.tb.Helper()
	path := filepath.Join(z.tb.TempDir(), "whole.db")
	_, stop := z.index(path, 0)
	stop()
	return dump(z.tb, path)
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s: line %d\n got %s\nwant %s", what, i, a[i], b[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d", what, len(a), len(b))
}

// alter gives a function that changes a file behind the index's back.
func alter(query string) func(path string) error {
	return func(path string) error {
		db, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.Exec(query)
		return err
	}
}

// TestEveryKindIsIndexed keeps the tests below from passing on a log that lacks
// the kind they would fail on.
func TestEveryKindIsIndexed(t *testing.T) {
	z := newZone(t)
	z.story()
	text := z.whole()
	for _, k := range record.Kinds() {
		if !strings.Contains(text, " kind="+string(k)+" ") {
			t.Errorf("the story has no %s", k)
		}
	}
	for _, table := range []string{"granted", "refusal", "request", "session", "statement", "subject"} {
		if !strings.Contains(text, "\n"+table+" ") {
			t.Errorf("table %s is empty", table)
		}
	}
	if strings.Contains(text, "1001") || strings.Contains(text, "secret from") {
		t.Error("the index holds somebody's key or a statement's text")
	}
}

func TestContentDoesNotDependOnBatches(t *testing.T) {
	z := newZone(t)
	z.story()
	want := z.whole()
	for _, batch := range []int{1, 2, 3, 7, 20} {
		path := filepath.Join(t.TempDir(), "index.db")
		_, stop := z.index(path, batch)
		stop()
		same(t, fmt.Sprintf("batches of %d", batch), dump(t, path), want)
	}
}

func TestRebuildIsIdentical(t *testing.T) {
	z := newZone(t)
	z.story()
	_, stop := z.index(z.path(), 5)
	stop()
	z.check(alter(`UPDATE request SET login = 'astrid'; DELETE FROM entry WHERE kind = 'grant'`)(z.path()))
	x, stop := z.index(z.path(), 5)
	astrid := index.Query{Person: "astrid"}
	if a, err := x.Search(context.Background(), index.Query{Person: "astrid", Limit: 100}); err != nil || len(a.Hits) < 20 {
		t.Fatalf("the alteration does not show: %+v, %v", a, err)
	}
	s, err := x.Rebuild(context.Background())
	if err != nil || s.Builds != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	if got := z.shows(x, astrid); len(got) != 4 {
		t.Errorf("after the rebuild astrid has %v", got)
	}
	stop()
	same(t, "after the rebuild", dump(t, z.path()), z.whole())
}

func TestLostOrAlteredFileIsMadeAnew(t *testing.T) {
	z := newZone(t)
	z.story()
	want := z.whole()
	for name, harm := range map[string]func(path string) error{
		"deleted": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"overwritten": func(path string) error {
			return os.WriteFile(path, []byte("not a database, but long enough to look at"), 0o644)
		},
		"cut":                         func(path string) error { return os.Truncate(path, 5000) },
		"a table dropped":             alter(`DROP TABLE meta`),
		"another version":             alter(`UPDATE meta SET version = 0`),
		"ahead of the log":            alter(`UPDATE meta SET next = 1000`),
		"another log's":               alter(`UPDATE meta SET genesis = x'00'`),
		"behind, rows beyond there":   alter(`UPDATE meta SET next = 0, last = zeroblob(32)`),
		"written when the power went": alter(`UPDATE meta SET boot = 'earlier'`),
		"at another entry":            alter(`UPDATE meta SET last = zeroblob(32)`),
	} {
		path := filepath.Join(t.TempDir(), "index.db")
		_, stop := z.index(path, 0)
		stop()
		z.check(harm(path))
		x, stop := z.index(path, 0)
		if n := x.Status().Builds; n != 1 {
			t.Errorf("%s: begun anew %d times", name, n)
		}
		stop()
		same(t, name, dump(t, path), want)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestGoesOnWhereItStopped(t *testing.T) {
	z := newZone(t)
	z.rules()
	_, stop := z.index(z.path(), 3)
	stop()
	g := z.ask("jonas", "support", "1001").Grant.Seq
	in := z.login("jonas", g, dublin)
	read := z.statement(in, g, "case")
	_, stop = z.index(z.path(), 3)
	stop()
	z.reopen() // the log was published and its write-ahead log dropped
	z.result(read, 4, record.Complete)
	x, stop := z.index(z.path(), 3)
	if n := x.Status().Builds; n != 0 {
		t.Errorf("begun anew %d times", n)
	}
	stop()
	got := dump(t, z.path())
	same(t, "in three runs", got, z.whole())
	if !strings.Contains(got, "outcome=complete result="+fmt.Sprint(read+1)+" row_count=4") {
		t.Errorf("the result did not find its statement:\n%s", got)
	}
}

func TestErasedSubjectsDisappearAtRebuild(t *testing.T) {
	z := newZone(t)
	s := z.story()
	x, stop := z.index(z.path(), 0)
	named := index.Query{Subject: "1001", Person: "jonas"}
	if got := z.shows(x, named); len(got) < 10 {
		t.Fatalf("before: %v", got)
	}
	stop()
	z.erase(s.jonas.Request.Seq, record.PartSubject+"0")
	x, stop = z.index(z.path(), 0)
	if _, err := x.Rebuild(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := z.shows(x, named); got != nil {
		t.Errorf("after: %v", got)
	}
	named.Subject = "1002"
	if got := z.shows(x, named); len(got) < 10 {
		t.Errorf("the other person of the case: %v", got)
	}
	named.Subject = ""
	if got := z.shows(x, named); len(got) < 10 {
		t.Errorf("what was decided: %v", got)
	}
	stop()
	same(t, "after the erasure", dump(t, z.path()), z.whole())
}

// erase destroys the key of one part, as an erasure does.
func (z *zone) erase(seq uint64, part string) {
	z.tb.Helper()
	z.reopen()
	bundle, at := seq/proof.TileWidth, 0
	for n := bundle * proof.TileWidth; n <= seq; n++ {
		e, err := z.log.Read(n)
		z.check(err)
		i := slices.IndexFunc(e.Parts, func(p record.Part) bool { return n == seq && p.Name == part })
		if i >= 0 {
			at += i
			break
		}
		at += len(e.Parts)
	}
	z.check(z.log.Close())
	db, err := sql.Open("sqlite", "file:"+filepath.Join(z.opt.Dir, "keys.db"))
	z.check(err)
	var wrapped []byte
	z.check(db.QueryRow(`SELECT wrapped FROM keys WHERE bundle = ?`, bundle).Scan(&wrapped))
	block, err := aes.NewCipher(z.opt.Master[:])
	z.check(err)
	aead, err := cipher.NewGCM(block)
	z.check(err)
	place := binary.BigEndian.AppendUint64(nil, bundle)
	keys, err := aead.Open(nil, wrapped[:12], wrapped[12:], place)
	z.check(err)
	clear(keys[at*32 : at*32+32])
	wrapped[0]++ // another nonce
	_, err = db.Exec(`UPDATE keys SET wrapped = ? WHERE bundle = ?`, aead.Seal(wrapped[:12:12], wrapped[:12], keys, place), bundle)
	z.check(err)
	z.check(db.Close())
	z.open()
	e, err := z.log.Read(seq)
	z.check(err)
	if _, err := e.Part(part); err == nil {
		z.tb.Fatalf("part %s of entry %d is still there", part, seq)
	}
}

// child is what a process that is to be killed needs.
type child struct {
	Dir, Signer, Verifier, Master, Index string
	Batch, Halt                          int
}

const childEnv = "TREFOIL_INDEX_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := beKilled(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // it never comes this far when all is well
	}
	os.Exit(m.Run())
}

// halting stops for ever in the middle of a walk.
type halting struct {
	*ledger.Log
	left int
}

func (h *halting) Walk(from, to uint64, want func(*record.Leaf) bool, visit func(record.Entry) error) error {
	return h.Log.Walk(from, to, want, func(e record.Entry) error {
		if h.left--; h.left < 0 {
			fmt.Println("halted")
			select {}
		}
		return visit(e)
	})
}

func beKilled(text string) (err error) {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	opt := ledger.Options{Dir: c.Dir, Gate: "eu-1", Clock: time.Now, NoFsync: true}
	if opt.Signer, err = note.NewSigner(c.Signer); err != nil {
		return err
	}
	if opt.Verifier, err = note.NewVerifier(c.Verifier); err != nil {
		return err
	}
	if _, err := base64.StdEncoding.Decode(opt.Master[:], []byte(c.Master)); err != nil {
		return err
	}
	log, err := ledger.Open(opt)
	if err != nil {
		return err
	}
	x := index.New(index.Options{Path: c.Index, Log: &halting{log, c.Halt}, Key: key, Batch: c.Batch})
	x.Run(context.Background())
	return nil
}

func TestKilledInTheMiddleOfABatch(t *testing.T) {
	z := newZone(t)
	z.story()
	want := z.whole()
	z.check(z.log.Close())
	self, err := os.Executable()
	z.check(err)
	for _, halt := range []int{0, 1, 6, 17, 33} {
		path := filepath.Join(t.TempDir(), "index.db")
		c := child{Dir: z.opt.Dir, Signer: z.signer, Verifier: z.verifier, Master: base64.StdEncoding.EncodeToString(z.opt.Master[:]), Index: path, Batch: 5, Halt: halt}
		text, err := json.Marshal(c)
		z.check(err)
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childEnv+"="+string(text))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		z.check(err)
		z.check(cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "halted\n" {
			t.Fatalf("the child said %q: %v", line, err)
		}
		z.check(cmd.Process.Kill())
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
		z.open()
		x, stop := z.index(path, 5)
		if n := x.Status().Builds; n != 0 {
			t.Errorf("killed at entry %d: begun anew", halt)
		}
		stop()
		same(t, fmt.Sprintf("killed at entry %d", halt), dump(t, path), want)
		z.check(z.log.Close())
	}
}
