package index_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/index"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/record"
)

const origin = "trefoil.example/eu"

var (
	key    = [32]byte{1}
	dublin = netip.MustParseAddr("127.1.0.1")
	abroad = netip.MustParseAddr("127.9.0.1")
)

// clock is a second later at each look.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

// zone is a log with the register that decides by it.
type zone struct {
	tb    testing.TB
	opt   ledger.Options
	log   *ledger.Log
	reg   *access.Register
	clock *clock
	keys  map[string]ssh.Signer

	signer, verifier string // of the log, as key files hold them
}

func newZone(tb testing.TB) *zone {
	tb.Helper()
	z := &zone{tb: tb, clock: &clock{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}, keys: map[string]ssh.Signer{}}
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	z.check(err)
	z.signer, z.verifier = skey, vkey
	z.opt = ledger.Options{Dir: tb.TempDir(), Gate: "eu-1", Clock: z.clock.Now, Master: ledger.NewSeed(), NoFsync: true}
	z.opt.Signer, err = note.NewSigner(skey)
	z.check(err)
	z.opt.Verifier, err = note.NewVerifier(vkey)
	z.check(err)
	_, err = ledger.Create(z.opt, record.Genesis{Zone: "eu", LogKey: vkey, Overseers: []string{}})
	z.check(err)
	z.open()
	tb.Cleanup(func() { z.log.Close() })
	return z
}

func (z *zone) check(err error) {
	z.tb.Helper()
	if err != nil {
		z.tb.Fatal(err)
	}
}

// open is what a start of the instance does to log and state.
func (z *zone) open() {
	z.tb.Helper()
	var err error
	z.log, err = ledger.Open(z.opt)
	z.check(err)
	var s access.State
	z.check(z.log.Walk(0, z.log.Durable(), func(*record.Leaf) bool { return true }, func(e record.Entry) error {
		s, err = access.Fold(s, e)
		return err
	}))
	z.reg = access.NewRegister(z.log, z.clock.Now, s, []string{"masked"}, func(*access.State) {})
}

func (z *zone) reopen() {
	z.check(z.log.Close())
	z.open()
}

// rules puts the example's in force and enrols its people.
func (z *zone) rules() {
	z.tb.Helper()
	var sources []record.Source
	for kind, name := range map[string]string{"catalogue": "catalog.yaml", "countries": "countries.yaml", "directory": "directory.yaml", "duties": "duties.cedar", "policy": "rules.cedar"} {
		text, err := os.ReadFile(filepath.Join("..", "examples", "clips", name))
		z.check(err)
		if kind == "directory" {
			text = append(text, "\nservices:\n  replies: {name: Suggested replies, owner: jonas}\n"...)
		}
		sources = append(sources, record.Source{Kind: kind, Name: name, Text: string(text)})
	}
	_, _, err := z.reg.Publish(context.Background(), record.Actor{}, sources, "")
	z.check(err)
	for _, login := range []string{"jonas", "mei", "viktor", "diana", "astrid", "sean"} {
		_, private, _ := ed25519.GenerateKey(rand.Reader)
		z.keys[login], err = ssh.NewSignerFromKey(private)
		z.check(err)
		_, err = z.reg.Enrol(context.Background(), record.Actor{}, login, ssh.MarshalAuthorizedKey(z.keys[login].PublicKey()))
		z.check(err)
	}
	_, old, _ := ed25519.GenerateKey(rand.Reader)
	signer, err := ssh.NewSignerFromKey(old)
	z.check(err)
	key, err := z.reg.Enrol(context.Background(), record.Actor{}, "diana", ssh.MarshalAuthorizedKey(signer.PublicKey()))
	z.check(err)
	_, err = z.reg.Withdraw(context.Background(), record.Actor{}, "diana", key.Fingerprint)
	z.check(err)
}

func (z *zone) sign(who, namespace string, doc any) access.Signed {
	z.tb.Helper()
	text, err := record.Canonical(doc)
	z.check(err)
	sig, err := identity.Sign(z.keys[who], namespace, text)
	z.check(err)
	return access.Signed{Document: text, Signature: sig}
}

// ask requests a case about people, or everybody if none is named.
func (z *zone) ask(who, purpose string, people ...string) access.Outcome {
	z.tb.Helper()
	return z.askFor("", who, purpose, people...)
}

// askFor is ask for a service of theirs.
func (z *zone) askFor(service, who, purpose string, people ...string) access.Outcome {
	z.tb.Helper()
	doc := record.SignedRequest{Format: record.RequestFormat, Origin: origin, Login: who, Service: service, Dataset: "clips", Sites: []string{}, Lens: "masked", Scope: "case",
		Purpose: purpose, Case: "4711", Seconds: 36000, Subjects: []string{}, Time: z.clock.Now().UnixMicro(), Nonce: access.NewNonce()}
	if len(people) == 0 {
		doc.Scope = "bulk"
	}
	var parts []record.Part
	for i, key := range people {
		parts = append(parts, access.NewSubject(i, key))
		doc.Subjects = append(doc.Subjects, parts[i].Hash().String())
	}
	s := z.sign(who, record.RequestNamespace, doc)
	s.Subjects = parts
	out, err := z.reg.Request(context.Background(), record.Actor{}, s)
	z.check(err)
	return out
}

func (z *zone) verdict(who, verdict string, object uint64) access.Outcome {
	z.tb.Helper()
	doc := record.SignedApproval{Format: record.ApprovalFormat, Origin: origin, Login: who, Verdict: verdict, Object: object,
		Digest: z.reg.State().Requests[object].Digest, Time: z.clock.Now().UnixMicro(), Nonce: access.NewNonce()}
	out, err := z.reg.Verdict(context.Background(), record.Actor{}, z.sign(who, record.ApprovalNamespace, doc))
	z.check(err)
	return out
}

func (z *zone) secret(who string, grant uint64) {
	z.tb.Helper()
	_, err := z.reg.Secret(context.Background(), record.Actor{}, z.sign(who, record.SecretNamespace,
		record.SignedSecret{Format: record.SecretFormat, Origin: origin, Login: who, Grant: grant, Time: z.clock.Now().UnixMicro(), Nonce: access.NewNonce()}))
	z.check(err)
}

func (z *zone) login(who string, grant uint64, from netip.Addr) uint64 {
	z.tb.Helper()
	adm, err := z.reg.Admit(context.Background(), access.Attempt{Login: who, Database: "clips.dublin-1", Grant: grant, Site: "dublin-1", From: from})
	if err != nil && fault.Public(err).Kind == fault.Internal {
		z.tb.Fatal(err)
	}
	return adm.Session
}

// put appends an entry as the gate does.
func (z *zone) put(kind record.Kind, outcome record.Outcome, decision any) uint64 {
	z.tb.Helper()
	var d record.Draft
	d.Reset(kind, outcome, "")
	z.check(d.AddJSON(record.PartDecision, decision))
	if kind == record.KindStatement || kind == record.KindRefusal {
		d.Add(record.PartStatement, []byte(`{"sql":"select secret from users"}`))
	}
	ref, err := z.log.Record(context.Background(), &d)
	z.check(err)
	return ref.Seq
}

func (z *zone) statement(session, grant uint64, scope string) uint64 {
	return z.put(record.KindStatement, record.Allowed, record.Statement{Grant: grant, Kind: "select", Scope: scope, Session: session})
}

func (z *zone) result(statement uint64, rows int64, outcome record.Outcome) uint64 {
	return z.put(record.KindResult, outcome, record.Result{Statement: statement, Rows: rows, Bytes: 10 * rows, Micros: 700})
}

// told are the places of the story's entries.
type told struct {
	jonas, bulk, viktor  access.Outcome // requests
	service              access.Outcome // of jonas'
	jonasIn, bulkIn      uint64         // sessions
	read, bulkRead, open uint64         // statements
	refused              uint64         // a statement
	middle               int64          // a moment between the two days
}

// story has every kind of entry.
func (z *zone) story() (s told) {
	z.tb.Helper()
	z.put(record.KindStart, record.None, record.Start{Version: "1", Interrupted: []uint64{}})
	z.rules()
	s.jonas = z.ask("jonas", "support", "1001", "1002")
	g := s.jonas.Grant.Seq
	z.secret("jonas", g)
	s.jonasIn = z.login("jonas", g, dublin)
	s.read = z.statement(s.jonasIn, g, "case")
	z.result(s.read, 2, record.Pending)
	z.result(s.read, 3, record.Complete)
	s.refused = z.put(record.KindRefusal, record.Denied, record.StatementRefusal{Session: s.jonasIn, State: "0A000", Why: "EXPLAIN is not served"})
	z.put(record.KindEnd, record.None, record.End{Session: s.jonasIn, Reason: "client", Statements: 1, Rows: 5, Bytes: 50})
	z.login("jonas", g, abroad)
	z.put(record.KindStrangers, record.Denied, record.Strangers{Counts: []record.StrangerCount{{Address: "127.0.0.9", Reason: "password", Count: 3}}})
	s.middle = z.clock.Now().UnixMicro()
	s.viktor = z.ask("viktor", "audit", "1001")
	z.verdict("diana", "approve", s.viktor.Request.Seq)
	z.verdict("astrid", "deny", s.viktor.Request.Seq)
	s.bulk = z.ask("sean", "engineering")
	s.bulk = z.verdict("astrid", "approve", s.bulk.Request.Seq)
	if s.bulk.Grant == nil {
		z.tb.Fatalf("sean is refused: %+v", s.bulk.Refusal)
	}
	s.bulkIn = z.login("sean", s.bulk.Grant.Seq, dublin)
	s.bulkRead = z.statement(s.bulkIn, s.bulk.Grant.Seq, "bulk")
	z.result(s.bulkRead, 1000, record.Complete)
	s.open = z.statement(s.bulkIn, s.bulk.Grant.Seq, "bulk")
	z.put(record.KindStart, record.None, record.Start{Version: "1", Interrupted: []uint64{s.open}})
	s.service = z.askFor("replies", "jonas", "support", "1003")
	z.login("replies", s.service.Grant.Seq, dublin)
	for open := range int64(2) {
		z.put(record.KindStatements, record.Allowed, record.Statements{Grant: s.service.Grant.Seq, Count: 4, Rows: 9, Open: open, Scope: "case"})
	}
	z.verdict("astrid", "revoke", g)
	z.put(record.KindStop, record.None, record.Stop{Reason: "asked to"})
	return s
}

// index runs an index until it has read the whole log, and stops it with the
// function it gives.
func (z *zone) index(path string, batch int) (*index.Index, func()) {
	z.tb.Helper()
	x := index.New(index.Options{Path: path, Log: z.log, Key: key, Batch: batch})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { x.Run(ctx) })
	stop := sync.OnceFunc(func() { cancel(); running.Wait() })
	z.tb.Cleanup(stop)
	if a, err := x.Search(ctx, index.Query{Limit: 1}); err != nil || a.Indexed != z.log.Durable() {
		z.tb.Fatalf("the index is at %d of %d: %v, %v", a.Indexed, z.log.Durable(), err, x.Status().Err)
	}
	return x, stop
}

func (z *zone) path() string { return filepath.Join(z.opt.Dir, "index.db") }

// dump is the whole content of an index, as text.
func dump(tb testing.TB, path string) string {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	var out strings.Builder
	for _, name := range column(tb, db, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`) {
		rows, err := db.Query(`SELECT * FROM ` + name + ` ORDER BY 1, 2`)
		if err != nil {
			tb.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			tb.Fatal(err)
		}
		for rows.Next() {
			cells := make([]any, len(columns))
			for i := range cells {
				cells[i] = new(any)
			}
			if err := rows.Scan(cells...); err != nil {
				tb.Fatal(err)
			}
			out.WriteString(name)
			for i, c := range cells {
				fmt.Fprintf(&out, " %s=%v", columns[i], *c.(*any))
			}
			out.WriteByte('\n')
		}
		if err := rows.Err(); err != nil {
			tb.Fatal(err)
		}
	}
	return out.String()
}

func column(tb testing.TB, db *sql.DB, query string) (out []string) {
	tb.Helper()
	rows, err := db.Query(query)
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			tb.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}
