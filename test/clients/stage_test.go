package clients

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/test/world"
)

const site = "dublin-1"

// login is one grant's.
type login struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// brief is all that a client is told. {} stands for a parameter in its SQL.
type brief struct {
	Host       string `json:"host"`
	Address    string `json:"address"` // of Host
	Port       int    `json:"port"`
	Database   string `json:"database"`
	CA         string `json:"ca"`          // file: the gate's authority
	OtherCA    string `json:"other_ca"`    // file: one that did not sign the gate's certificate
	OtherName  string `json:"other_name"`  // a name that is not in the gate's certificate
	OtherHosts string `json:"other_hosts"` // file in the form of /etc/hosts that leads it to the gate
	Dir        string `json:"dir"`         // for files; its own
	Name       string `json:"name"`        // the client's

	Bulk   login `json:"bulk"`
	Case   login `json:"case"`
	Ending login `json:"ending"` // its grant is revoked on "await": "revoke NAME"

	SQL struct {
		People   string   `json:"people"`   // id, country, email of three
		Count    string   `json:"count"`    // of everybody
		Where    string   `json:"where"`    // how many live in the country {}
		Country  string   `json:"country"`  // of the person {}
		Export   string   `json:"export"`   // id, country, email of everybody
		Large    string   `json:"large"`    // i from 1 to 100,000, and a country
		Values   string   `json:"values"`   // bigint, integer, double precision, timestamptz, text, boolean
		Prepared string   `json:"prepared"` // whether the server holds a prepared statement on Country
		Views    string   `json:"views"`    // names
		Columns  string   `json:"columns"`  // of users
		Errors   []string `json:"errors"`   // each fails, and the session goes on
		Outside  string   `json:"outside"`  // fails with a hint
	} `json:"sql"`
	IDs []string `json:"ids"` // of the three people
}

// stage is a world with the grants the clients use.
type stage struct {
	w     *world.World
	store *pgx.Conn // the superuser's, in the schema of the masked bulk lens
	brief brief
	truth map[string]string // capability → what to report, as canonical JSON
	ends  map[string]access.Grant
}

func newStage(t *testing.T) *stage {
	t.Helper()
	w := world.New(t)
	s := &stage{w: w, ends: map[string]access.Grant{}, store: pgtest.Connect(t, w.Stores[site].DSN("clips"))}
	var schema string
	s.scan(t, &schema, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'clips\\_masked\\_bulk\\_%'")
	if _, err := s.store.Exec(context.Background(), "SET search_path = "+schema+"; SET timezone = 'UTC'"); err != nil {
		t.Fatal(err)
	}

	host, port, _ := net.SplitHostPort(w.Gate)
	b := &s.brief
	b.Host, b.Address, b.Database, b.OtherName = "localhost", host, "clips."+site, "gate.example"
	b.Port, _ = strconv.Atoi(port)
	b.CA = filepath.Join(w.Dir, "keys", "tls.crt")
	dir := t.TempDir()
	b.OtherCA, b.OtherHosts = filepath.Join(dir, "other.crt"), filepath.Join(dir, "hosts")
	write(t, b.OtherCA, otherCA(t))
	write(t, b.OtherHosts, []byte(host+" localhost\n"+host+" "+b.OtherName+"\n"))

	jonas := w.As("jonas")
	b.Bulk = s.login("sean", s.bulk(t, "masked"))
	b.Case = s.login("jonas", jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}}))

	q := &b.SQL
	q.People = "SELECT id, country, email FROM users ORDER BY id LIMIT 3"
	q.Count = "SELECT count(*) FROM users"
	q.Where = "SELECT count(*) FROM users WHERE country = {}"
	q.Country = "SELECT country FROM users WHERE id = {}"
	q.Export = "SELECT id, country, email FROM users ORDER BY id"
	q.Large = "SELECT i, country FROM generate_series(1, 100000) i, (SELECT country FROM users ORDER BY id LIMIT 1) u ORDER BY i"
	q.Values = "SELECT id, seconds, lat, uploaded_at, title, lat > 0 FROM videos WHERE lat IS NOT NULL ORDER BY id LIMIT 1"
	q.Prepared = "SELECT count(*) > 0 FROM pg_prepared_statements WHERE statement LIKE '%SELECT country FROM users%' AND statement NOT LIKE '%pg_prepared%'"
	q.Views = "SELECT table_name FROM information_schema.views WHERE table_schema = current_schema() ORDER BY 1"
	q.Columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'users' ORDER BY ordinal_position"
	q.Outside = "SELECT * FROM public.users"
	for _, e := range failing() {
		q.Errors = append(q.Errors, e[0])
	}
	s.find(t)
	return s
}

// failing is what fails, and with which SQLSTATE, as docs/statements.md says.
func failing() [][2]string {
	return [][2]string{
		{"EXPLAIN SELECT 1", "0A000"},
		{"INSERT INTO countries VALUES ('ZZ', 'Nowhere')", "0A000"},
		{"LISTEN news", "0A000"},
		{"COPY users TO STDOUT", "0A000"},
		{"SELECT set_config('role', 'postgres', false)", "42501"},
		{"SELECT * FROM public.users", "42501"},
		{"SELECT * FROM nowhere", "42P01"},
		{"SELECT 1 / (SELECT 0)", "22012"},
		{"SELECT 1 +", "42601"},
	}
}

// bulk gives Seán whole tables; the masked ones need an approval.
func (s *stage) bulk(t *testing.T, lens string) access.Grant {
	t.Helper()
	out, err := s.w.As("sean").Ask(world.Wish{Lens: lens, Scope: "bulk", Purpose: "engineering", Case: "BUG-7"})
	if err == nil && out.Grant == nil {
		out, err = s.w.As("astrid").Verdict("approve", out.Request.Seq)
	}
	if err != nil || out.Grant == nil {
		t.Fatalf("no grant: %+v, %v", out, err)
	}
	return *out.Grant
}

func (s *stage) login(who string, g access.Grant) login {
	return login{who + "~" + g.ID(), s.w.As(who).Secret(g)}
}

// briefFor adds what is one client's own.
func (s *stage) briefFor(t *testing.T, name string) brief {
	t.Helper()
	b := s.brief
	b.Dir = t.TempDir()
	s.ends[name] = s.bulk(t, "pseudonymous")
	b.Ending = s.login("sean", s.ends[name])
	return b
}

// await comes back when what a client waits for has happened.
func (s *stage) await(t *testing.T, what string) {
	t.Helper()
	verb, name, _ := strings.Cut(what, " ")
	switch verb {
	case "sleep": // until the statement with this comment sleeps in the store
		for begun := time.Now(); ; {
			var n int
			s.scan(t, &n, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%/* "+name+" */%'")
			if n == 1 {
				return
			}
			if time.Since(begun) > 20*time.Second {
				t.Fatalf("nobody sleeps for %s", name)
			}
		}
	case "revoke":
		if _, err := s.w.As("astrid").Verdict("revoke", s.ends[name].Seq); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("a client waits for %q", what)
	}
}

func (s *stage) scan(t *testing.T, into any, sql string, args ...any) {
	t.Helper()
	if err := s.store.QueryRow(context.Background(), sql, args...).Scan(into); err != nil {
		t.Fatal(err, sql)
	}
}

// copied is what COPY gives the superuser.
func (s *stage) copied(t *testing.T, sql, options string) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := s.store.PgConn().CopyTo(context.Background(), &out, "COPY ("+sql+") TO STDOUT"+options); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// text is a result as rows of texts.
func (s *stage) text(t *testing.T, sql string) (rows [][]string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSuffix(string(s.copied(t, sql, "")), "\n"), "\n") {
		rows = append(rows, strings.Split(line, "\t"))
	}
	return rows
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// otherCA is an authority the gate has nothing to do with.
func otherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "somebody else"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
