package badinput

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/testbin"
	"github.com/trefoil-dev/trefoil/record"
	"github.com/trefoil-dev/trefoil/test/world"
)

// gate is the program in front of two stores, with a grant of Jonas's.
type gate struct {
	*instance
	w     *world.World
	jonas *world.Person
	grant access.Grant
	enter []string // the program, and what comes before it on a command line
	serve *testbin.Process
}

func newGate(t *testing.T) *gate {
	t.Helper()
	w := world.New(t)
	g := &gate{instance: &instance{t: t, dir: w.Dir}, w: w, jonas: w.As("jonas"), enter: []string{trefoil}}
	g.grant = g.jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}})
	w.Stop() // from here on it is the program itself
	g.edit("trefoil.yaml", "socket: data/api.sock", "socket: api.sock")
	return g
}

func (g *gate) start() {
	g.t.Helper()
	g.serve = testbin.Serve(g.t, g.enter[0], append(g.enter[1:], "serve", g.config())...)
}

// psql runs psql with a connection string; 'more' goes behind Jonas's.
func (g *gate) psql(site, more string, args ...string) (code int, said string) {
	g.t.Helper()
	args = append([]string{"-X", "-v", "VERBOSITY=verbose", g.jonas.DSN(g.grant, site) + " " + more}, args...)
	cmd := exec.Command(filepath.Join(g.w.Stores[site].Bin, "psql"), args...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+g.jonas.Secret(g.grant))
	code, out, errs := testbin.Finish(g.t, cmd)
	return code, out + errs
}

// serves checks that Jonas is let in and sees his row.
func (g *gate) serves(site string) {
	g.t.Helper()
	if code, said := g.psql(site, "", "-Atc", "SELECT count(*) < 2 FROM users"); code != 0 || said != "t\n" {
		g.t.Errorf("%s: exit code %d\n%s", site, code, said)
	}
}

// says checks how psql fails.
func (g *gate) says(want []string, site, more string, args ...string) {
	g.t.Helper()
	code, said := g.psql(site, more, args...)
	for _, w := range want {
		if code == 0 || !strings.Contains(said, w) {
			g.t.Errorf("psql: exit code %d, and no %q in:\n%.2000s", code, w, said)
		}
	}
}

// sqlState is the code with which a login is refused, which psql does not show.
func (g *gate) sqlState(site string) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cfg := g.jonas.Config(g.grant, site)
	conn, err := pgconn.ConnectConfig(ctx, &cfg.Config)
	var pg *pgconn.PgError
	if err == nil {
		conn.Close(ctx)
	} else if !errors.As(err, &pg) {
		g.t.Fatal(err)
	} else {
		return pg.Code
	}
	return ""
}

// entries gives the decisions of the durable entries of one kind.
func (g *gate) entries(kind record.Kind) []json.RawMessage { return g.parts(kind, record.PartDecision) }

// parts gives one part of the durable entries of one kind.
func (g *gate) parts(kind record.Kind, name string) (bodies []json.RawMessage) {
	g.t.Helper()
	for from := 0; ; {
		var page []struct {
			Leaf  string
			Parts []struct {
				Name string
				JSON json.RawMessage
			}
		}
		_, answer := g.call("/v1/entries?from="+strconv.Itoa(from), nil)
		if err := json.Unmarshal([]byte(answer), &page); err != nil {
			g.t.Fatal(err)
		}
		if len(page) == 0 {
			return bodies
		}
		from += len(page)
		for _, e := range page {
			leaf, err := record.ParseLeaf([]byte(e.Leaf))
			if err != nil {
				g.t.Fatal(err)
			}
			for _, p := range e.Parts {
				if leaf.Kind == kind && p.Name == name {
					bodies = append(bodies, p.JSON)
				}
			}
		}
	}
}

// verifies has the log verified, evidence and write-ahead log included.
func (g *gate) verifies() {
	g.t.Helper()
	code, out, errs := testbin.Run(g.t, g.enter[0], append(g.enter[1:], "log", "verify", "--dir", g.path("data"), g.config())...)
	if code != 0 {
		g.t.Errorf("log verify: exit code %d\n%s%s", code, out, errs)
	}
}

// stops ends the program and has the log verified by it.
func (g *gate) stops() {
	g.t.Helper()
	if code := g.serve.Stop(); code != 0 {
		g.t.Errorf("exit code %d\n%s", code, g.serve.Said())
	}
	g.verifies()
}

func TestClients(t *testing.T) {
	g := newGate(t)
	g.start()
	address, port, err := net.SplitHostPort(g.w.Gate)
	if err != nil {
		t.Fatal(err)
	}
	// One sentence for both, so that nobody can find out who there is.
	unknown := []string{"FATAL:  authentication failed\n", "HINT:  connect with user=LOGIN or user=LOGIN~GRANT"}
	for _, c := range []struct {
		name, more string
		args       []string
		want       []string
	}{
		{"without TLS", "sslmode=disable", nil, []string{"connections without TLS are not served", "HINT:  connect with sslmode=verify-full"}},
		{"wrong password", "password=x", nil, unknown},
		{"unknown person", "user=nobody", nil, unknown},
		{"unknown dataset", "dbname=nothing", nil, []string{`is for dataset clips, not "nothing"`, "HINT:  dbname=clips.SITE"}},
		{"unknown site", "dbname=clips.nowhere", nil, []string{`does not reach dataset clips at "nowhere"`, "HINT:  its sites are dublin-1, hamar"}},
		{"options", "options='-c role=postgres'", nil, []string{`command-line options are not served`, "HINT:  "}},
		{"another certificate than expected", "sslrootcert=" + newInstance(t).path("keys/tls.crt"), nil, []string{"certificate verify failed"}},
		{"another name than in the certificate", "host=gate.example hostaddr=" + address + " port=" + port, nil, []string{"does not match host name"}},
		{"oversize statement", "", []string{"-f", oversize(t)}, []string{"FATAL:  54000: message 'Q' has 5242", "HINT:  send large values in several statements"}},
		{"function that is not there", "", []string{"-c", "SELECT nothing()"}, []string{"42883"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := *g
			g.instance = &instance{t: t, dir: g.dir}
			args := c.args
			if args == nil {
				args = []string{"-c", "SELECT 1"}
			}
			g.says(c.want, "dublin-1", c.more, args...)
		})
	}
	g.serves("dublin-1")

	cert, key := g.read("keys/tls.crt"), g.read("keys/tls.key")
	g.expire()
	if err := syscall.Kill(g.serve.Pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	g.serve.Await("the certificate stays the old one")
	g.write("keys/tls.crt", cert)
	g.serves("dublin-1")
	g.write("keys/tls.key", key)
	g.stops()
}

// oversize is a file with a statement of 5 MiB.
func oversize(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.sql")
	if err := os.WriteFile(path, []byte("SELECT '"+strings.Repeat("x", 5<<20)+"';\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStrangers sends what is no PostgreSQL. Each connection is answered or
// closed, and they are counted in the log.
func TestStrangers(t *testing.T) {
	g := newGate(t)
	g.start()
	tlsFirst := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			c.Write(request(80877103)) // SSLRequest
			one := make([]byte, 1)
			if _, err := io.ReadFull(c, one); err != nil || one[0] != 'S' {
				t.Errorf("SSLRequest is answered %q, %v", one, err)
			}
			s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			if err := s.Handshake(); err != nil {
				t.Error(err)
			}
			s.Write(b)
			answer, err := io.ReadAll(s)
			if len(answer) > 0 && answer[0] != 'E' && answer[0] != 'R' || err != nil && len(answer) == 0 {
				t.Errorf("%.40q is answered %.200q, %v", b, answer, err)
			}
		}
	}
	plain := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			c.Write(b)
			answer, _ := io.ReadAll(c) // a reset is an answer too
			if len(answer) > 0 && answer[0] != 'E' && answer[0] != 0x15 {
				t.Errorf("%.40q is answered %.200q", b, answer)
			}
		}
	}
	garbage := [][]byte{
		[]byte("GET / HTTP/1.1\r\nHost: gate\r\n\r\n"),
		bytes.Repeat([]byte{0xff}, 64),
		make([]byte, 64),
		startup(0x7fffffff, 196608, "user\x00jonas\x00\x00"),
		startup(8, 196608, ""),
		startup(-1, 131072, "user\x00jonas\x00\x00"),
		startup(-1, 196608, "user\x00jonas"),
		startup(-1, 196608, "\x00trailing"),
		startup(-1, 196608, "user\x00jonas\x00user\x00postgres\x00\x00"),
		startup(-1, 196608, "user\x00jonas\x00replication\x00true\x00\x00"),
		startup(-1, 196608, "user\x00j\xff\xfe\x00\x00"),
		[]byte("\x16\x03\x01\x02\x00\x01\x00"),
	}
	for _, b := range garbage {
		for _, how := range []func([]byte) func(net.Conn){plain, tlsFirst} {
			c, err := net.Dial("tcp", g.w.Gate)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(30 * time.Second))
			how(b)(c)
			c.Close()
		}
	}
	g.serves("dublin-1")
	g.serve.Stop()
	g.start() // what was counted is recorded at the end at the latest
	total := int64(0)
	for _, body := range g.entries(record.KindStrangers) {
		var s record.Strangers
		if err := json.Unmarshal(body, &s); err != nil {
			t.Fatal(err)
		}
		for _, c := range s.Counts {
			total += c.Count
		}
	}
	if total != int64(2*len(garbage)) {
		t.Errorf("%d attempts of strangers are recorded, %d were made", total, 2*len(garbage))
	}
	g.stops()
}

func request(code uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), code)
}

// startup is a startup packet; a negative size means the right one.
func startup(size int, version uint32, rest string) []byte {
	if size < 0 {
		size = 8 + len(rest)
	}
	return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(size)), version), rest...)
}

// TestStoreAway: while a store is away its people are told so, what they tried
// is recorded, and the other store is served; then it comes back.
func TestStoreAway(t *testing.T) {
	g := newGate(t)
	g.start()
	g.serves("dublin-1")
	before := len(g.entries(record.KindAttempt))
	store := g.w.Stores["dublin-1"]
	if err := store.Stop(); err != nil {
		t.Fatal(err)
	}
	g.says([]string{"FATAL:  store dublin-1 does not answer", "HINT:  ask the operator; nothing was read"}, "dublin-1", "", "-c", "SELECT 1")
	if state := g.sqlState("dublin-1"); state != "08001" {
		t.Errorf("SQLSTATE %q", state)
	}
	g.serves("hamar")
	if n := len(g.entries(record.KindAttempt)); n != before+3 {
		t.Errorf("%d attempts are recorded, 3 were made", n-before)
	}
	refused := fmt.Sprintf("%s", g.entries(record.KindRefusal))
	if !strings.Contains(refused, "store dublin-1 does not answer") {
		t.Errorf("refusals: %s", refused)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	again, err := pgcluster.Start(ctx, pgcluster.Options{Dir: store.Dir, Port: store.Port, Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Stop() })
	g.serves("dublin-1")
	g.stops()
}
