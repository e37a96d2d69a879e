package world

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/ssh"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/gate"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/record"
)

// Person is a member of staff with their key.
type Person struct {
	w      *World
	Login  string
	Office string // the address they connect from
	key    ssh.Signer
}

// As gives a person of the directory.
func (w *World) As(login string) *Person {
	office := w.of.Offices[login]
	if office == "" {
		office = "127.1.0.1"
	}
	return &Person{w: w, Login: login, Office: office, key: w.keys[login]}
}

// Wish is what a request asks for; empty fields take the usual.
type Wish struct {
	Dataset                    string // the example's first
	Lens, Scope, Purpose, Case string // masked, case, support, 4711
	Subjects                   []int64
	Sites                      []string
	Service                    string        // for whom, instead of the person
	For                        time.Duration // 1 h
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Ask requests access and gives what came of it.
func (p *Person) Ask(wish Wish) (access.Outcome, error) {
	doc := record.SignedRequest{Format: record.RequestFormat, Origin: p.w.origin(), Login: p.Login, Service: wish.Service, Dataset: or(wish.Dataset, p.w.of.Datasets[0]), Sites: append([]string{}, wish.Sites...),
		Lens: or(wish.Lens, "masked"), Scope: or(wish.Scope, "case"), Purpose: or(wish.Purpose, "support"), Case: or(wish.Case, "4711"),
		Seconds: int64(wish.For / time.Second), Subjects: []string{}, Time: time.Now().UnixMicro(), Nonce: access.NewNonce()}
	if doc.Seconds == 0 {
		doc.Seconds = 3600
	}
	var signed access.Signed
	for i, id := range wish.Subjects {
		part := access.NewSubject(i, strconv.FormatInt(id, 10))
		doc.Subjects = append(doc.Subjects, part.Hash().String())
		signed.Subjects = append(signed.Subjects, part)
	}
	p.sign(&signed, record.RequestNamespace, doc)
	return p.w.App.Register().Request(context.Background(), record.Actor{}, signed)
}

func (p *Person) sign(s *access.Signed, namespace string, doc any) {
	p.w.tb.Helper()
	var err error
	s.Document, err = record.Canonical(doc)
	p.w.check(err)
	s.Signature, err = identity.Sign(p.key, namespace, s.Document)
	p.w.check(err)
}

// MustAsk is Ask where the answer must be a grant.
func (p *Person) MustAsk(wish Wish) access.Grant {
	p.w.tb.Helper()
	out, err := p.Ask(wish)
	p.w.check(err)
	if out.Grant == nil {
		p.w.tb.Fatalf("%s got no grant: %+v", p.Login, out.Refusal)
	}
	return *out.Grant
}

// Verdict approves or denies a request, or revokes the grant 'object'.
func (p *Person) Verdict(verdict string, object uint64) (access.Outcome, error) {
	doc := record.SignedApproval{Format: record.ApprovalFormat, Origin: p.w.origin(), Login: p.Login, Verdict: verdict, Object: object,
		Digest: p.w.App.Register().State().Requests[object].Digest, Time: time.Now().UnixMicro(), Nonce: access.NewNonce()}
	var signed access.Signed
	p.sign(&signed, record.ApprovalNamespace, doc)
	return p.w.App.Register().Verdict(context.Background(), record.Actor{}, signed)
}

// Secret is the password of a grant.
func (p *Person) Secret(g access.Grant) string {
	p.w.tb.Helper()
	seed, err := app.ReadSeed(p.w.Config.Path(p.w.Config.Keys.Seed))
	p.w.check(err)
	return gate.Seed(seed).Secret(g.Seq)
}

// DSN connects through the gate; pass it to clients that don't choose an address.
func (p *Person) DSN(g access.Grant, site string) string {
	host, port, _ := net.SplitHostPort(p.w.Gate)
	return "host=" + host + " port=" + port + " user=" + p.Login + "~" + g.ID() + " dbname=" + g.Dataset + "." + site +
		" sslmode=verify-full sslrootcert=" + filepath.Join(p.w.Dir, "keys", "tls.crt")
}

// Config is DSN for pgx, from the person's office, with the password.
func (p *Person) Config(g access.Grant, site string) *pgx.ConnConfig {
	p.w.tb.Helper()
	cfg, err := pgx.ParseConfig(p.DSN(g, site))
	p.w.check(err)
	cfg.Password = p.Secret(g)
	cfg.DialFunc = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.Office)}}).DialContext
	return cfg
}

// Connect opens a session through the gate; it ends with the test.
func (p *Person) Connect(g access.Grant, site string) *pgx.Conn {
	p.w.tb.Helper()
	conn, err := p.Dial(g, site)
	p.w.check(err)
	return conn
}

// Dial is Connect with the error.
func (p *Person) Dial(g access.Grant, site string) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(context.Background(), p.Config(g, site))
	if err == nil {
		p.w.tb.Cleanup(func() { conn.Close(context.Background()) })
	}
	return conn, err
}

// Psql runs the real psql through the gate, from 127.0.0.1 (Dublin), and gives
// what it printed on both streams.
func (p *Person) Psql(tb testing.TB, g access.Grant, site string, args ...string) (string, error) {
	tb.Helper()
	cmd := exec.Command(filepath.Join(p.w.Stores[site].Bin, "psql"), append([]string{"-X", p.DSN(g, site)}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+p.Secret(g))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
