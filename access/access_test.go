package access_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/policy"
	"github.com/trefoil-dev/trefoil/record"
)

const origin = "trefoil.example/eu"

// memory is a Log that keeps its entries, with other writers' in between.
type memory struct {
	mu      sync.Mutex
	entries []record.Entry
	now     int64
	waited  uint64 // the highest sequence somebody waited for
}

func (m *memory) Append(d *record.Draft) (record.Ref, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += 1000
	ref := record.Ref{Seq: uint64(len(m.entries)), Time: m.now}
	e := d.Entry(ref)
	e.Parts = append([]record.Part(nil), e.Parts...)
	m.entries = append(m.entries, e)
	return ref, nil
}

func (m *memory) AppendRules(d *record.Draft, _ record.Hash) (record.Ref, error) { return m.Append(d) }
func (m *memory) Origin() string                                                 { return origin }

func (m *memory) Wait(_ context.Context, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waited = max(m.waited, seq)
	return nil
}

func (m *memory) Next() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.entries))
}

// noise is an entry that bears on no state, as statements are.
func (m *memory) noise() {
	var d record.Draft
	d.Reset(record.KindStatement, record.Allowed, "support")
	d.Add(record.PartDecision, []byte("{}"))
	m.Append(&d)
}

func (m *memory) clock() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.UnixMicro(m.now)
}

func examples(t *testing.T) []record.Source {
	t.Helper()
	var out []record.Source
	for kind, name := range map[string]string{"catalogue": "catalog.yaml", "countries": "countries.yaml", "directory": "directory.yaml", "duties": "duties.cedar", "policy": "rules.cedar"} {
		text, err := os.ReadFile(filepath.Join("..", "examples", "clips", name))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, record.Source{Kind: kind, Name: name, Text: string(text)})
	}
	return out
}

type office struct {
	*access.Register
	t    *testing.T
	log  *memory
	keys map[string]ssh.Signer
}

func newOffice(t *testing.T) *office {
	t.Helper()
	log := &memory{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixMicro()}
	o := &office{t: t, log: log, keys: map[string]ssh.Signer{}}
	o.Register = access.NewRegister(log, log.clock, access.State{}, []string{"masked"}, func(*access.State) { log.noise() })
	ctx := context.Background()
	if _, _, err := o.Publish(ctx, record.Actor{}, examples(t), ""); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"jonas", "viktor", "diana", "astrid"} {
		_, key, _ := ed25519.GenerateKey(rand.Reader)
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		o.keys[login] = signer
		if _, err := o.Enrol(ctx, record.Actor{}, login, ssh.MarshalAuthorizedKey(signer.PublicKey())); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *office) sign(who, namespace string, doc any) access.Signed {
	o.t.Helper()
	text, err := record.Canonical(doc)
	if err != nil {
		o.t.Fatal(err)
	}
	sig, err := identity.Sign(o.keys[who], namespace, text)
	if err != nil {
		o.t.Fatal(err)
	}
	return access.Signed{Document: text, Signature: sig}
}

func (o *office) wish(who, purpose string) record.SignedRequest {
	return record.SignedRequest{Format: record.RequestFormat, Origin: origin, Login: who, Dataset: "clips", Sites: []string{}, Lens: "masked", Scope: "case",
		Purpose: purpose, Case: "4711", Seconds: 3600, Subjects: []string{}, Time: o.log.clock().UnixMicro(), Nonce: access.NewNonce()}
}

// named adds a person to a request and gives the part that names them.
func named(doc *record.SignedRequest, key string) record.Part {
	p := access.NewSubject(len(doc.Subjects), key)
	doc.Subjects = append(doc.Subjects, p.Hash().String())
	return p
}

func (o *office) request(who, purpose string) access.Outcome {
	o.t.Helper()
	doc := o.wish(who, purpose)
	person := named(&doc, "1001")
	s := o.sign(who, record.RequestNamespace, doc)
	s.Subjects = []record.Part{person}
	out, err := o.Request(context.Background(), record.Actor{}, s)
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

func (o *office) verdict(who, verdict string, object uint64) (access.Outcome, error) {
	doc := record.SignedApproval{Format: record.ApprovalFormat, Origin: origin, Login: who, Verdict: verdict, Object: object,
		Digest: o.State().Requests[object].Digest, Time: o.log.clock().UnixMicro(), Nonce: access.NewNonce()}
	return o.Verdict(context.Background(), record.Actor{}, o.sign(who, record.ApprovalNamespace, doc))
}

func kindOf(err error) fault.Kind { return fault.Public(err).Kind }

// story makes every kind of entry that bears on state.
func (o *office) story() {
	o.t.Helper()
	g := o.request("jonas", "support")
	if g.Grant == nil {
		o.t.Fatalf("jonas is refused: %+v", g.Refusal)
	}
	asked := o.request("viktor", "audit")
	if asked.Grant != nil || asked.Refusal.Rule != "approver-outside-hierarchy" {
		o.t.Fatalf("viktor without approval: %+v", asked)
	}
	if out, err := o.verdict("diana", "approve", asked.Request.Seq); err != nil || out.Grant != nil {
		o.t.Fatalf("with his own manager's approval: %+v, %v", out, err)
	}
	if out, err := o.verdict("astrid", "approve", asked.Request.Seq); err != nil || out.Grant == nil {
		o.t.Fatalf("with the data protection office's approval: %+v, %v", out, err)
	}
	turned := o.request("viktor", "audit")
	if _, err := o.verdict("astrid", "deny", turned.Request.Seq); err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.verdict("astrid", "revoke", g.Grant.Seq); err != nil {
		o.t.Fatal(err)
	}
}

func TestStateIsAFunctionOfTheLog(t *testing.T) {
	o := newOffice(t)
	o.story()
	var s access.State
	var states []access.State
	for _, e := range o.log.entries {
		states = append(states, s)
		next, err := access.Fold(s, e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := access.Fold(s, e)
		if err != nil || !reflect.DeepEqual(next.Grants, again.Grants) || !reflect.DeepEqual(next.Requests, again.Requests) {
			t.Fatalf("folding entry %d twice gives two states", e.Seq)
		}
		s = next
	}
	live := o.State()
	if !reflect.DeepEqual(live.Grants, s.Grants) || !reflect.DeepEqual(live.Requests, s.Requests) || !reflect.DeepEqual(live.Keys, s.Keys) || live.Rules.Digest != s.Rules.Digest {
		t.Error("the state folded from the log is not the one the register decided by")
	}
	// Every decision comes out the same, from the log alone.
	decisions := 0
	for _, e := range o.log.entries {
		if e.Kind != record.KindGrant && e.Kind != record.KindRefusal {
			continue
		}
		var d record.Decision
		raw, err := e.Part(record.PartDecision)
		if err != nil {
			t.Fatal(err)
		}
		if err := record.ParseCanonical(raw, &d); err != nil {
			t.Fatal(err)
		}
		asOf := states[d.N]
		in, err := policy.ParseInput(d.Input)
		if err != nil {
			t.Fatalf("entry %d: %v", e.Seq, err)
		}
		v := asOf.Rules.Book.Decide(in)
		if v.Allow != d.Allow || !reflect.DeepEqual(v.Reasons, d.Reasons) || !reflect.DeepEqual(v.Duties, d.Duties) {
			t.Errorf("entry %d: decided %+v, recorded %+v", e.Seq, v, d)
		}
		r := asOf.Requests[d.Request]
		asked, err := asOf.Question(&r, d.Site, from, in.Now)
		if err != nil || string(asked.Canonical()) != string(d.Input) {
			t.Errorf("entry %d: the state as of %d asks another question: %v", e.Seq, d.N, err)
		}
		decisions++
	}
	if decisions != 5 {
		t.Errorf("%d decisions", decisions)
	}
}

func TestSignedDocumentsCannotBeBent(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t)
	for name, c := range map[string]struct {
		bend func(doc *record.SignedRequest) access.Signed
		want fault.Kind
	}{
		"signed by somebody else": {func(d *record.SignedRequest) access.Signed { return o.sign("viktor", record.RequestNamespace, d) }, fault.BadLogin},
		"signed as an approval":   {func(d *record.SignedRequest) access.Signed { return o.sign("jonas", record.ApprovalNamespace, d) }, fault.BadLogin},
		"changed after signing": {func(d *record.SignedRequest) access.Signed {
			s := o.sign("jonas", record.RequestNamespace, d)
			s.Document = []byte(strings.Replace(string(s.Document), `"4711"`, `"4712"`, 1))
			return s
		}, fault.BadLogin},
		"not canonical": {func(d *record.SignedRequest) access.Signed {
			s := o.sign("jonas", record.RequestNamespace, d)
			s.Document = append([]byte(" "), s.Document...)
			return s
		}, fault.BadInput},
		"for another log": {func(d *record.SignedRequest) access.Signed {
			d.Origin = "elsewhere"
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.BadInput},
		"an hour old": {func(d *record.SignedRequest) access.Signed {
			d.Time -= 3600e6
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.BadInput},
		"an hour ahead": {func(d *record.SignedRequest) access.Signed {
			d.Time += 3600e6
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.BadInput},
		"another person than signed": {func(d *record.SignedRequest) access.Signed {
			s := o.sign("jonas", record.RequestNamespace, d)
			s.Subjects = []record.Part{access.NewSubject(0, "1002")}
			return s
		}, fault.BadInput},
		"nobody named": {func(d *record.SignedRequest) access.Signed {
			d.Subjects = []string{}
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.BadInput},
		"undeclared purpose": {func(d *record.SignedRequest) access.Signed {
			d.Purpose = "aoife-brennan"
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.BadInput},
		"case with an escape": {func(d *record.SignedRequest) access.Signed {
			d.Case = "1\x1b[31m"
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.BadInput},
		"unknown dataset": {func(d *record.SignedRequest) access.Signed {
			d.Dataset = "films"
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.NotFound},
		"for ever": {func(d *record.SignedRequest) access.Signed {
			d.Seconds = 1 << 40
			return o.sign("jonas", record.RequestNamespace, d)
		}, fault.BadInput},
	} {
		doc := o.wish("jonas", "support")
		person := named(&doc, "1001")
		s := c.bend(&doc)
		if s.Subjects == nil && len(doc.Subjects) > 0 {
			s.Subjects = []record.Part{person}
		}
		before := o.log.Next()
		if _, err := o.Request(ctx, record.Actor{}, s); err == nil || kindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if len(o.State().Requests) != 0 || o.log.Next() != before {
			t.Errorf("%s: it reached the log", name)
		}
	}
}

func TestEachSignatureCountsOnce(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t)
	doc := o.wish("jonas", "support")
	person := named(&doc, "1001")
	s := o.sign("jonas", record.RequestNamespace, doc)
	s.Subjects = []record.Part{person}
	if out, err := o.Request(ctx, record.Actor{}, s); err != nil || out.Grant == nil {
		t.Fatal(out, err)
	}
	if _, err := o.Request(ctx, record.Actor{}, s); kindOf(err) != fault.Conflict {
		t.Errorf("the same document twice: %v", err)
	}
	asked := o.request("viktor", "audit")
	if _, err := o.verdict("viktor", "approve", asked.Request.Seq); kindOf(err) != fault.Denied {
		t.Errorf("own approval: %v", err)
	}
	if _, err := o.verdict("diana", "approve", asked.Request.Seq); err != nil {
		t.Fatal(err)
	}
	if _, err := o.verdict("diana", "approve", asked.Request.Seq); kindOf(err) != fault.Conflict {
		t.Errorf("second approval by one person: %v", err)
	}
}

func TestAdmissionIsRecordedEitherWay(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t)
	g := o.request("jonas", "support").Grant
	a := access.Attempt{Login: "jonas", Database: "clips.dublin-1", Grant: g.Seq, Site: "dublin-1", From: dublin, Cert: "c0ffee"}
	adm, err := o.Admit(ctx, a)
	if err != nil || adm.Session == 0 || adm.Until != g.Until {
		t.Fatalf("%+v, %v", adm, err)
	}
	if o.log.waited < adm.Session {
		t.Errorf("session %d was let in while entries up to %d alone were waited for", adm.Session, o.log.waited)
	}
	abroad := a
	abroad.From = thirdCountry
	if _, err := o.Admit(ctx, abroad); kindOf(err) != fault.Denied {
		t.Errorf("from a third country: %v", err)
	}
	nowhere := a
	nowhere.From = from
	if _, err := o.Admit(ctx, nowhere); kindOf(err) != fault.Denied {
		t.Errorf("from nowhere: %v", err)
	}
	if why := o.State().Still(a, o.log.clock().UnixMicro()); why != nil {
		t.Errorf("an unchanged state ends the session: %v", why)
	}
	if _, err := o.verdict("astrid", "revoke", g.Seq); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Admit(ctx, a); kindOf(err) != fault.GrantEnded {
		t.Errorf("after revocation: %v", err)
	}
	if why := o.State().Still(a, o.log.clock().UnixMicro()); why == nil {
		t.Error("a revoked grant keeps its session")
	}
	attempts, outcomes := 0, 0
	for _, e := range o.log.entries {
		switch e.Kind {
		case record.KindAttempt:
			attempts++
			var actor record.Actor
			if data, err := e.Part(record.PartActor); err != nil || record.ParseCanonical(data, &actor) != nil || actor.Certificate != "c0ffee" {
				t.Errorf("actor %+v, %v", actor, err)
			}
		case record.KindSession, record.KindRefusal:
			outcomes++
		}
	}
	if attempts != 4 || outcomes != 4 {
		t.Errorf("%d attempts, %d outcomes", attempts, outcomes)
	}
}

// A lens that the catalogue keeps out of stores is neither granted nor proposed.
func TestALensThatTheDatasetDoesNotHave(t *testing.T) {
	o := newOffice(t)
	sources := examples(t)
	for i := range sources {
		if sources[i].Kind == access.SourceCatalogue {
			sources[i].Text = strings.Replace(sources[i].Text, "  clips:\n", "  clips:\n    lenses: [pseudonymous]\n", 1)
		}
	}
	if _, _, err := o.Publish(context.Background(), record.Actor{}, sources, ""); err != nil {
		t.Fatal(err)
	}
	doc := o.wish("jonas", "support")
	person := named(&doc, "1001")
	s := o.sign("jonas", record.RequestNamespace, doc)
	s.Subjects = []record.Part{person}
	_, err := o.Request(context.Background(), record.Actor{}, s)
	if kindOf(err) != fault.Denied || !strings.Contains(err.Error(), "stores have no such lens of dataset clips") {
		t.Errorf("request: %v", err)
	}
	if out := o.request("viktor", "audit"); out.Refusal == nil || out.Refusal.Best != nil {
		t.Errorf("viktor is proposed %+v", out.Refusal)
	}
}

// A duty that only an overseer could fulfil denies, at the request and, when the
// rules come to demand it later, at the next login.
func TestADutyThatNobodyCanFulfilDenies(t *testing.T) {
	o := newOffice(t)
	granted := o.request("jonas", "support")
	sources := examples(t)
	for i := range sources {
		if sources[i].Kind == access.SourceDuties {
			sources[i].Text += "\n@id(\"watched\")\n@why(\"Rows leave only after the overseer has decided the same.\")\n@duty(\"release:audited\")\npermit (principal, action, resource);\n"
		}
	}
	if _, _, err := o.Publish(context.Background(), record.Actor{}, sources, ""); err != nil {
		t.Fatal(err)
	}
	doc := o.wish("jonas", "support")
	person := named(&doc, "1001")
	s := o.sign("jonas", record.RequestNamespace, doc)
	s.Subjects = []record.Part{person}
	_, err := o.Request(context.Background(), record.Actor{}, s)
	if kindOf(err) != fault.Denied || !strings.Contains(err.Error(), "there is no overseer") {
		t.Errorf("request: %v", err)
	}
	_, err = o.Admit(context.Background(), access.Attempt{Login: "jonas", Grant: granted.Grant.Seq, Site: "dublin-1", From: dublin})
	if kindOf(err) != fault.Denied || !strings.Contains(err.Error(), "there is no overseer") {
		t.Errorf("login: %v", err)
	}
}

func TestAnApprovalIsForTheRequestThatWasSigned(t *testing.T) {
	o := newOffice(t)
	one, two := o.request("viktor", "audit"), o.request("viktor", "audit")
	doc := record.SignedApproval{Format: record.ApprovalFormat, Origin: origin, Login: "astrid", Verdict: "approve", Object: two.Request.Seq,
		Digest: one.Request.Digest, Time: o.log.clock().UnixMicro(), Nonce: access.NewNonce()}
	if _, err := o.Verdict(context.Background(), record.Actor{}, o.sign("astrid", record.ApprovalNamespace, doc)); kindOf(err) != fault.NotFound {
		t.Errorf("an approval of one request counted for another: %v", err)
	}
}

func TestAGrantIsItsHoldersAlone(t *testing.T) {
	o := newOffice(t)
	g := o.request("jonas", "support").Grant
	a := access.Attempt{Login: "diana", Database: "clips.dublin-1", Grant: g.Seq, Site: "dublin-1", From: dublin}
	if _, err := o.Admit(context.Background(), a); kindOf(err) != fault.GrantEnded {
		t.Errorf("diana with jonas's grant: %v", err)
	}
}

// publish puts the example in force with one source changed.
func (o *office) publish(kind, old, new string) {
	o.t.Helper()
	sources := examples(o.t)
	for i := range sources {
		if sources[i].Kind == kind {
			changed := strings.Replace(sources[i].Text, old, new, 1)
			if changed == sources[i].Text {
				o.t.Fatalf("%s does not hold %q", kind, old)
			}
			sources[i].Text = changed
		}
	}
	if _, _, err := o.Publish(context.Background(), record.Actor{}, sources, ""); err != nil {
		o.t.Fatal(err)
	}
}

func TestChangedRulesEndWhatTheyNoLongerPermit(t *testing.T) {
	o := newOffice(t)
	g := o.request("jonas", "support").Grant
	a := access.Attempt{Login: "jonas", Database: "clips.hamar", Grant: g.Seq, Site: "hamar", From: dublin}
	if _, err := o.Admit(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	o.publish("catalogue", "sites: [dublin-1, dublin-2, hamar]", "sites: [dublin-1]") // the dataset leaves a site its zone keeps
	if why := o.State().Still(a, o.log.clock().UnixMicro()); why == nil {
		t.Error("a session goes on at a site its dataset has left")
	}
	if _, err := o.Admit(context.Background(), a); err == nil {
		t.Error("a login reaches a site its dataset has left")
	}
}

func TestWhoHasLeftHasNoSay(t *testing.T) {
	o := newOffice(t)
	asked := o.request("viktor", "audit")
	o.publish("directory", "  diana:\n    {name: Diana Kovač, employer: clips-ie, country: IE, department: internal-audit, manager: eva}\n  viktor:\n    {name: Viktor Moen, employer: clips-ie, country: IE, department: internal-audit, manager: diana}",
		"  viktor:\n    {name: Viktor Moen, employer: clips-ie, country: IE, department: internal-audit, manager: eva}")
	if _, err := o.verdict("diana", "deny", asked.Request.Seq); err == nil {
		t.Error("somebody who is not in the directory denied a request")
	}
}

func TestReplayIsFold(t *testing.T) {
	o := newOffice(t)
	o.story()
	var folded, replayed access.State
	for _, e := range o.log.entries {
		var err error
		if folded, err = access.Fold(folded, e); err != nil {
			t.Fatal(err)
		}
		if err = access.Replay(&replayed, e); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(folded.Grants, replayed.Grants) || !reflect.DeepEqual(folded.Requests, replayed.Requests) || folded.N != replayed.N {
		t.Error("replaying a log gives another state than folding it")
	}
}

// A withdrawn key signs nothing from the entry on that says so; before it, and by
// another key of the same person, things stay as they were.
func TestAWithdrawnKeySignsNothing(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	granted := o.request("jonas", "support")
	fingerprint := o.State().Keys["jonas"][0].Fingerprint
	before := *o.State()
	key, err := o.Withdraw(ctx, record.Actor{}, "jonas", fingerprint)
	if err != nil || key.Ended == 0 {
		t.Fatalf("%+v, %v", key, err)
	}
	if before.Keys["jonas"][0].Ended != 0 || o.State().Keys["jonas"][0].Ended != key.Ended {
		t.Error("the withdrawal binds earlier than its entry, or not at all")
	}
	if g := o.State().Grants[granted.Grant.Seq]; g.Ended != 0 {
		t.Error("what the key signed before was undone")
	}
	if _, err := o.verdict("jonas", "revoke", granted.Grant.Seq); kindOf(err) != fault.BadLogin {
		t.Errorf("the withdrawn key signs: %v", err)
	}
	if _, err := o.Withdraw(ctx, record.Actor{}, "jonas", fingerprint); kindOf(err) != fault.NotFound {
		t.Errorf("withdrawn twice: %v", err)
	}
	old := ssh.MarshalAuthorizedKey(o.keys["jonas"].PublicKey())
	if _, err := o.Enrol(ctx, record.Actor{}, "viktor", old); kindOf(err) != fault.Conflict {
		t.Errorf("a withdrawn key is enrolled again: %v", err)
	}
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	if o.keys["jonas"], err = ssh.NewSignerFromKey(private); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Enrol(ctx, record.Actor{}, "jonas", ssh.MarshalAuthorizedKey(o.keys["jonas"].PublicKey())); err != nil {
		t.Fatal(err)
	}
	if _, err := o.verdict("jonas", "revoke", granted.Grant.Seq); err != nil {
		t.Errorf("his new key: %v", err)
	}
	var s access.State
	for _, e := range o.log.entries {
		if s, err = access.Fold(s, e); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(s.Keys, o.State().Keys) {
		t.Error("the state folded from the log has other keys than the register")
	}
}
