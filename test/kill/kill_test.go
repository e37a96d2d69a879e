package kill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/internal/testbin"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
	"github.com/trefoil-dev/trefoil/test/world"
)

var trefoil string

func TestMain(m *testing.M) { os.Exit(testbin.Main(m, &trefoil)) }

// number reads a count from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestKill(t *testing.T) {
	kills, seed := number(t, "TREFOIL_KILLS", 5), number(t, "TREFOIL_SEED", uint64(time.Now().UnixNano())&0xffffffff)
	fmt.Printf("%d kills; TREFOIL_SEED=%d repeats the choices\n", kills, seed)

	w := world.New(t)
	jonas := w.As("jonas")
	grant := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}, For: 8 * time.Hour})
	r := &run{t: t, w: w, data: w.Config.Path(w.Config.DataDir), rng: rand.New(rand.NewPCG(seed, 0))}
	w.Publish(map[string]func(string) string{"directory": func(text string) string {
		return text + "\nservices:\n  replies: {name: Suggested replies, owner: jonas}\n"
	}})
	service := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}, For: 8 * time.Hour, Service: "replies"})
	for _, site := range world.Sites {
		r.doors = append(r.doors, jonas.Config(grant, site).Config)
		r.services = append(r.services, w.As("replies").Config(service, site).Config)
	}
	w.Stop() // from here on it is the program itself

	key, err := w.Config.Evidence()
	if err != nil {
		t.Fatal(err)
	}
	r.key = &key
	serve := r.serve()
	r.log = newFollower(w.Config.Socket())
	for r.round = 1; r.round <= kills && !t.Failed(); r.round++ {
		before := r.checkpoint()
		load := r.load()
		load.untilKilled(serve)
		r.verify("killed", before)
		r.awaitNobody()
		r.left += r.roles()
		if r.round%2 == 0 {
			r.killStarting()
		}
		serve = r.serve()
		r.compare(load)
		r.verify("restarted", before)
		r.awaitSwept()
	}
	if code := serve.Stop(); code != 0 {
		t.Errorf("exit code %d at the end:\n%s", code, serve.Said())
	}
	code, out, errs := testbin.Run(t, trefoil, "log", "verify", "--dir", r.data, "--config", filepath.Join(w.Dir, "trefoil.yaml"))
	if code != 0 || !strings.Contains(out, " 0 entries not published yet") {
		t.Errorf("log verify: exit code %d\n%s%s", code, out, errs)
	}
	fmt.Printf("%d entries, %d statements with rows delivered, %d and %d batches interrupted, %d session roles left and swept\n",
		len(r.log.entries), r.delivered, r.interrupted, r.batches, r.left)
	if r.delivered == 0 || r.interrupted == 0 || r.batches == 0 || r.left == 0 {
		t.Error("no kill hit anything: this run shows nothing")
	}
}

func (r *run) command() []string {
	return []string{"serve", "--config", filepath.Join(r.w.Dir, "trefoil.yaml")}
}

func (r *run) serve() *testbin.Process { return testbin.Serve(r.t, trefoil, r.command()...) }

// killStarting kills a second time while the program recovers from the first:
// some time in the 200 ms within which it usually serves.
func (r *run) killStarting() {
	p := testbin.Start(r.t, trefoil, r.command()...)
	time.Sleep(time.Duration(r.rng.Int64N(200)) * time.Millisecond)
	p.Kill()
	if strings.Contains(p.Said(), `"level":"ERROR"`) {
		r.t.Errorf("kill %d, starting: %s", r.round, p.Said())
	}
	r.awaitNobody()
}

// checkpoint keeps what was published, as an outsider would.
func (r *run) checkpoint() []byte {
	cp, err := os.ReadFile(filepath.Join(r.data, "log", "checkpoint"))
	if err != nil {
		r.t.Fatal(err)
	}
	return cp
}

// verify recomputes the whole log, evidence and write-ahead log included.
func (r *run) verify(when string, earlier []byte) {
	r.t.Helper()
	_, err := ledger.Verify(ledger.VerifyOptions{Source: proof.Dir(filepath.Join(r.data, "log")), Dir: r.data, Master: r.key, Earlier: earlier})
	if err != nil {
		r.t.Errorf("kill %d, %s: the log does not verify: %v", r.round, when, err)
	}
}

const (
	sessionRoles = "SELECT (SELECT count(*) FROM pg_roles WHERE rolname ~ '^trefoil_[sf]_') + (SELECT count(*) FROM trefoil.session)"
	scopeRows    = "SELECT (SELECT count(*) FROM trefoil.scope) + (SELECT count(*) FROM trefoil.session)"
	// A backend notices that its client is gone when it next writes.
	backends = "SELECT count(*) FROM pg_stat_activity WHERE usename ~ '^trefoil_[sf]_' OR usename = 'trefoil_gate'"
)

// roles counts the session roles in the stores.
func (r *run) roles() (n int) {
	for _, site := range world.Sites {
		n += r.count(site, sessionRoles)
	}
	return n
}

func (r *run) count(site, query string) (n int) {
	r.t.Helper()
	conn := pgtest.Connect(r.t, r.w.Stores[site].DSN("clips"))
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), query).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// awaitNobody waits until the stores have noticed that the gate is gone: the
// sweep leaves roles alone that still have a backend.
func (r *run) awaitNobody() { r.awaitNone(backends) }

// awaitSwept waits for the sweep that follows a start.
func (r *run) awaitSwept() {
	r.awaitNone(sessionRoles)
	r.awaitNone(scopeRows)
}

// awaitNone asks until a count is 0; PostgreSQL tells nobody when it changes.
func (r *run) awaitNone(query string) {
	r.t.Helper()
	for _, site := range world.Sites {
		late := time.Now().Add(30 * time.Second)
		for n := r.count(site, query); n > 0; n = r.count(site, query) {
			if time.Now().After(late) {
				r.t.Fatalf("kill %d: store %s still has %d: %s", r.round, site, n, query)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// compare reads the log as it is after the restart and holds it against what
// was received and seen before the kill.
func (r *run) compare(l *load) {
	r.t.Helper()
	fresh := r.log.again(r.t, l.followed)
	texts := make(map[string][]uint64) // statements by the name in their text or parameters
	open := make(map[uint64]bool)
	rows := make(map[uint64]int64) // of complete results
	service := newBatches()
	for i, e := range fresh {
		if want := l.first + uint64(i); e.Seq != want || e.Prev != r.log.hashBefore(want) {
			r.t.Fatalf("kill %d: entry %d stands at %d and follows %s", r.round, e.Seq, want, e.Prev)
		}
		switch e.Kind {
		case record.KindStatement:
			open[e.Seq] = true
			if name := nameOf(r.t, e); name != "" {
				texts[name] = append(texts[name], e.Seq)
			}
		case record.KindResult:
			var res record.Result
			decode(r.t, e, record.PartDecision, &res)
			if !open[res.Statement] {
				r.t.Errorf("kill %d: entry %d is the result of statement %d, which is none or has one", r.round, e.Seq, res.Statement)
			}
			if e.Outcome == record.Complete {
				rows[res.Statement] = res.Rows
			}
			if e.Outcome != record.Pending {
				delete(open, res.Statement)
			}
		case record.KindStatements:
			service.add(r, e, texts, rows)
		case record.KindStart:
			r.started(e, open, service)
			clear(open)
			service = newBatches()
		}
	}
	for name, seqs := range texts {
		if len(seqs) > 1 {
			r.t.Errorf("kill %d: statement %s is recorded %d times: %v", r.round, name, len(seqs), seqs)
		}
	}
	for _, a := range l.answers {
		r.received(a, texts[a.name], rows)
	}
	for _, seq := range l.sessions {
		if e := r.log.entries[seq]; e.Kind != record.KindSession {
			r.t.Errorf("kill %d: somebody was in session %d, which is a %s", r.round, seq, e.Kind)
		}
	}
}

// received checks one answer against the log.
func (r *run) received(a answer, seqs []uint64, rows map[uint64]int64) {
	r.t.Helper()
	if a.rows == 0 {
		return
	}
	r.delivered++
	if len(seqs) == 0 {
		r.t.Errorf("kill %d: %d rows of %s were received and the log has no record of it", r.round, a.rows, a.name)
		return
	}
	if n, ok := rows[seqs[0]]; ok && a.whole && n != int64(a.rows) {
		r.t.Errorf("kill %d: %d rows of %s were received, the result says %d", r.round, a.rows, a.name, n)
	}
}

// started checks that the start after the kill names what was open, and no more.
func (r *run) started(e entry, open map[uint64]bool, service *batches) {
	r.t.Helper()
	var start record.Start
	decode(r.t, e, record.PartDecision, &start)
	if !start.Fsync || start.Lease != "none" {
		r.t.Errorf("start entry %d: %+v", e.Seq, start)
	}
	more := int64(0)
	for _, seq := range start.Interrupted {
		if service.open > 0 && seq == service.newest {
			more, service.open = service.open-1, 0
			r.batches++
			continue
		}
		if !open[seq] {
			r.t.Errorf("kill %d: start entry %d calls statement %d interrupted, which has a result or is none", r.round, e.Seq, seq)
		}
		delete(open, seq)
		r.interrupted++
	}
	if service.open > 0 {
		r.t.Errorf("kill %d: start entry %d does not name batch %d, which left %d statements open", r.round, e.Seq, service.newest, service.open)
	}
	if int64(len(open))+more != start.More {
		r.t.Errorf("kill %d: start entry %d does not name %d statements without a result", r.round, e.Seq, len(open))
	}
}
