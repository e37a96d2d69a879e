package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// shelf is a log in memory whose durability the test decides.
type shelf struct {
	mu      sync.Mutex
	changed sync.Cond
	entries []record.Entry
	durable uint64
	held    bool // nothing becomes durable
	failure error
	quiet   bool // entries are not kept
	count   uint64
}

func newShelf() *shelf { s := &shelf{}; s.changed.L = &s.mu; return s }

func (s *shelf) Append(d *record.Draft) (record.Ref, error) {
	if err := d.Check(); err != nil {
		return record.Ref{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := record.Ref{Seq: s.count}
	s.count++
	if !s.held {
		s.durable = s.count
	}
	if !s.quiet {
		e := d.Entry(ref)
		e.Commit, e.Parts = d.Commit(), nil
		for _, p := range d.Parts {
			p.Data = bytes.Clone(p.Data)
			e.Parts = append(e.Parts, p)
		}
		s.entries = append(s.entries, e)
	}
	s.changed.Broadcast()
	return ref, nil
}

func (s *shelf) Durable() uint64 { s.mu.Lock(); defer s.mu.Unlock(); return s.durable }

func (s *shelf) Wait(_ context.Context, seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.durable <= seq && s.failure == nil {
		s.changed.Wait()
	}
	return s.failure
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	change()
	if !s.held {
		s.durable = s.count
	}
	s.changed.Broadcast()
	s.mu.Unlock()
}

// appended waits for the n-th entry.
func (s *shelf) appended(n int) record.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.entries) < n {
		s.changed.Wait()
	}
	return s.entries[n-1]
}

var aService = access.Grant{Seq: 11, Login: "niamh", Service: "recommender", Scope: "bulk", Purpose: "engineering"}

func serviceGate(log Recorder) *Gate {
	return &Gate{record: log, clock: func() time.Time { return time.UnixMicro(1_700_000_000_000_000) }, batchers: make(map[uint64]*batcher)}
}

func serviceSession(g *Gate, id uint64) *session {
	return newSession(g, access.Admission{Session: id, Grant: aService}, access.Attempt{}, nil)
}

// lines reads a batch as strictly as a second implementation would.
func lines(t *testing.T, e record.Entry) (body record.Statements, out []record.Line) {
	t.Helper()
	var digest record.BatchDigest
	for name, v := range map[string]any{record.PartDecision: &body, record.PartDigest: &digest} {
		data, err := e.Part(name)
		if err == nil {
			err = record.ParseCanonical(data, v)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	data, _ := e.Part(record.PartStatement)
	b, err := record.ParseBatch(data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if root := record.Root(b.Hashes()); !bytes.Equal(root[:], digest.Root) || digest.Lines != int64(len(b.Lines)) {
		t.Errorf("the digest is not that of the %d lines", len(b.Lines))
	}
	for i, raw := range b.Lines {
		line, err := record.ParseLine(raw)
		if err != nil {
			t.Fatalf("line %d: %v\n%s", i, err, raw)
		}
		out = append(out, line)
	}
	return body, out
}

func mustAsk(t *testing.T, s *session, st pggate.Statement) uint64 {
	t.Helper()
	pos, err := s.Statement(&st)
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

func TestABatchHoldsWhatWasAsked(t *testing.T) {
	log := newShelf()
	log.set(func() { log.held = true })
	g := serviceGate(log)
	a, b := serviceSession(g, 12), serviceSession(g, 13)
	mustAsk(t, a, pggate.Statement{Kind: "begin", SQL: []byte("BEGIN")}) // is being written while the others come
	log.appended(1)
	users := pggate.Statement{Protocol: pggate.Extended, Kind: "select", Name: []byte("s1"), SQL: []byte("SELECT \"a\\b\"\n, 'ü\x01' -- \xff")}
	for i := range 3 {
		users.Params = []pggate.Param{{Value: []byte{'0' + byte(i)}}, {}, {Value: []byte{0, 255}, Format: 1}}
		mustAsk(t, []*session{a, b, a}[i], users)
	}
	mustAsk(t, b, pggate.Statement{Protocol: pggate.ByName, Portal: []byte("c"), Ambiguous: true})
	for _, r := range []pggate.Result{{Pos: 1, Completeness: pggate.Complete}, {Pos: 2, Rows: 3, Bytes: 77, Duration: time.Millisecond, Completeness: pggate.Suspended}} {
		if err := a.Result(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Result(&pggate.Result{Pos: 1, Rows: 1, Bytes: 5, Completeness: pggate.Failed, SQLState: [5]byte{'2', '2', '0', '1', '2'}}); err != nil {
		t.Fatal(err)
	}
	log.set(func() { log.held = false })
	e := log.appended(2)
	if e.Kind != record.KindStatements || e.Outcome != record.Allowed || e.Purpose != "engineering" {
		t.Errorf("%+v", e.Leaf)
	}
	body, got := lines(t, e)
	if want := (record.Statements{Bytes: 82, Count: 4, Failed: 1, Grant: 11, Open: 3, Rows: 4, Scope: "bulk"}); body != want {
		t.Errorf("%+v, want %+v", body, want)
	}
	var told []string
	for _, l := range got {
		switch {
		case l.Text != nil:
			told = append(told, fmt.Sprintf("%s %s %q %q %v %q", l.Text.Kind, l.Text.Protocol, l.Text.Name, l.Text.Portal, l.Text.Ambiguous, l.Text.SQL))
		case l.Statement != nil:
			told = append(told, fmt.Sprintf("%d.%d text %d %s at %d", l.Statement.Session, l.Statement.N, l.Statement.Text, l.Statement.Params, l.Statement.Time))
		default:
			told = append(told, fmt.Sprintf("of %d.%d %q %d rows %d bytes %d µs %s", l.Result.Session, l.Result.Of, l.Result.Outcome, l.Result.Rows, l.Result.Bytes, l.Result.Micros, l.Result.State))
		}
	}
	want := []string{
		`select extended "s1" "" false "SELECT \"a\\b\"\n, 'ü\x01' -- ` + "\uFFFD" + `"`,
		`12.2 text 0 ["0" null {"base64":"AP8="}] at 1700000000000000`,
		`13.1 text 0 ["1" null {"base64":"AP8="}] at 1700000000000000`,
		`12.3 text 0 ["2" null {"base64":"AP8="}] at 1700000000000000`,
		` by-name "" "c" true ""`,
		`13.2 text 4 [] at 1700000000000000`,
		`of 12.1 "" 0 rows 0 bytes 0 µs `,
		`of 12.2 "pending" 3 rows 77 bytes 1000 µs `,
		`of 13.1 "failed" 1 rows 5 bytes 0 µs 22012`,
	}
	if fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("got\n%q\nwant\n%q", told, want)
	}
	a.Close(pggate.Summary{})
	b.Close(pggate.Summary{})
	if len(g.batchers) != 0 {
		t.Error("a batcher outlives its sessions")
	}
}

// Whatever comes while one batch is being written is one batch, and no session
// is let go on before its own is durable.
func TestBatchesGrowWithTheLoad(t *testing.T) {
	log := newShelf()
	log.set(func() { log.held = true })
	g := serviceGate(log)
	var all []*session
	for i := range 50 {
		all = append(all, serviceSession(g, uint64(100+i)))
	}
	first := mustAsk(t, all[0], pggate.Statement{Kind: "select", SQL: []byte("SELECT 1")})
	log.appended(1)
	if all[0].Durable() > first {
		t.Fatal("a statement is durable before its entry is")
	}
	var waiting sync.WaitGroup
	for _, s := range all[1:] {
		pos := mustAsk(t, s, pggate.Statement{Kind: "select", SQL: []byte("SELECT 1")})
		waiting.Go(func() {
			if err := s.Wait(context.Background(), pos); err != nil || s.Durable() <= pos {
				t.Errorf("%v at %d", err, s.Durable())
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := all[0].Wait(ctx, first); !errors.Is(err, context.Canceled) {
		t.Errorf("a session that ends goes on waiting: %v", err)
	}
	log.set(func() { log.durable = 1 }) // the first alone
	if err := all[0].Wait(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	if body, _ := lines(t, log.appended(2)); body.Count != 49 {
		t.Errorf("%d statements in the second batch, want 49", body.Count)
	}
	if d := all[1].Durable(); d != 1 {
		t.Errorf("a statement of the second batch is durable with the first: %d", d)
	}
	log.set(func() { log.held = false })
	waiting.Wait()
	for _, s := range all {
		s.Close(pggate.Summary{})
	}
	if n := len(log.entries); n != 2+len(all) {
		t.Errorf("%d entries, want two batches and the ends", n)
	}
}

// When the log fails, nobody is told that a statement is durable; who comes
// later is not kept out.
func TestAFailedBatchEndsItsSessions(t *testing.T) {
	log := newShelf()
	log.set(func() { log.held = true })
	g := serviceGate(log)
	s := serviceSession(g, 12)
	pos := mustAsk(t, s, pggate.Statement{Kind: "select", SQL: []byte("SELECT 1")})
	log.appended(1)
	full := errors.New("no space left")
	log.set(func() { log.failure = full })
	if err := s.Wait(context.Background(), pos); !errors.Is(err, full) || s.Durable() > pos {
		t.Errorf("%v, durable %d", err, s.Durable())
	}
	if _, err := s.Statement(&pggate.Statement{}); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	log.set(func() { log.failure, log.held = nil, false })
	again := serviceSession(g, 13)
	pos = mustAsk(t, again, pggate.Statement{Kind: "select", SQL: []byte("SELECT 1")})
	if err := again.Wait(context.Background(), pos); err != nil {
		t.Error(err)
	}
	s.finish()
	if g.batchers[aService.Seq] != again.recorder.(*batched).batcher {
		t.Error("the end of a failed batcher took the new one away")
	}
	again.finish()
}

func TestRefusalsOfAServiceAreEntries(t *testing.T) {
	log := newShelf()
	g := serviceGate(log)
	s := serviceSession(g, 12)
	pos, err := s.Refused(&pggate.Statement{SQL: []byte("EXPLAIN SELECT 1")}, fault.New(fault.Statement, "EXPLAIN is not served"))
	if err != nil || s.Durable() <= pos || log.appended(1).Kind != record.KindRefusal {
		t.Errorf("position %d, durable %d, %v", pos, s.Durable(), err)
	}
	s.finish()
}

// What is long goes into a batch of its own, and what is too long is refused.
func TestLongStatementsInBatches(t *testing.T) {
	log := newShelf()
	g := serviceGate(log)
	a, b := serviceSession(g, 12), serviceSession(g, 13)
	var done sync.WaitGroup
	for _, s := range []*session{a, b} {
		done.Go(func() {
			for i := range 2 {
				text := bytes.Repeat([]byte{'x'}, 3<<20)
				text[0] += byte(i)
				mustAsk(t, s, pggate.Statement{Kind: "select", SQL: text})
			}
		})
	}
	done.Wait()
	if _, err := a.Statement(&pggate.Statement{SQL: bytes.Repeat([]byte{1}, 4<<20)}); fault.Public(err).Kind != fault.TooLarge {
		t.Errorf("%v", err)
	}
	a.finish()
	b.finish()
	var count int64
	for _, e := range log.entries {
		body, _ := lines(t, e)
		count += body.Count
	}
	if count != 4 {
		t.Errorf("%d statements are recorded, want 4", count)
	}
}

func TestRecordingForAServiceAllocatesNothing(t *testing.T) {
	log := newShelf()
	log.quiet = true
	s := serviceSession(serviceGate(log), 12)
	st := pggate.Statement{Protocol: pggate.Extended, Kind: "select", SQL: []byte("SELECT abalance FROM pgbench_accounts WHERE aid = $1"), Params: []pggate.Param{{Value: []byte{0, 0, 1, 2}, Format: 1}}}
	var r pggate.Result
	if n := testing.AllocsPerRun(1000, func() {
		pos, err := s.Statement(&st)
		if err == nil {
			err = s.Wait(context.Background(), pos)
		}
		r.Pos = pos
		if err == nil {
			err = s.Result(&r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a statement and its result", n)
	}
	s.finish()
}
