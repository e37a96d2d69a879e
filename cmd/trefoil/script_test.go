package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/mmdbtest"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

var shared *pgcluster.Cluster // the store of the scripts that need one

// onStore runs the tests beside one PostgreSQL.
type onStore struct{ m *testing.M }

func (o onStore) Run() int { return pgtest.Main(o.m, &shared) }

func TestMain(m *testing.M) { testscript.Main(onStore{m}, map[string]func(){"trefoil": main}) }

// TestScripts runs every command as its users type it. Beside testscript's own
// words there are:
//
//	zone SITE…         make an instance in zone/, with the example's rules and free ports; $GATE, $API
//	store SITE         give that site a store with the clips dataset; $STORE_PORT, $STORE_DB, $STORE_PASSWORD
//	serve              run it, its log into serve.log, and wait until it answers
//	signal HUP         send it a signal
//	stop               end it in order, with SIGTERM
//	enrol LOGIN...     make an SSH key in people/LOGIN and enrol it
//	as LOGIN           whose commands follow
//	exit N COMMAND...  run a command that must end with that code
//	capture NAME RE    set $NAME to what matches the group in the last output
//	await FILE RE      wait until the file says so
//	mmdb FILE CIDR=CC… make a country database
//	tap, replay        listen in on the socket, and send the last signed document again
func TestScripts(t *testing.T) {
	testscript.RunT(oneByOne{scriptT{t}}, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", os.Getenv("PATH")+string(filepath.ListSeparator)+shared.Bin)
			e.Values["instance"] = &instance{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"zone": makeZone, "store": addStore, "serve": startServe, "signal": sendSignal, "stop": stopServe, "enrol": enrol,
			"as": as, "exit": exit, "capture": capture, "await": await, "mmdb": mmdb, "tap": tap, "replay": replay,
		},
	})
}

// scriptT is testing.T as testscript wants it.
type scriptT struct{ *testing.T }

func (t scriptT) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(oneByOne{scriptT{t}}) })
}

func (t scriptT) Verbose() bool { return testing.Verbose() }

// oneByOne keeps scripts from running at once: they share the roles of a cluster.
type oneByOne struct{ testscript.T }

func (oneByOne) Parallel() {}

// instance is the script's running 'trefoil serve'.
type instance struct {
	cmd  *exec.Cmd
	done chan error
	last []byte // of tap: path, newline, body
}

func of(ts *testscript.TestScript) *instance { return ts.Value("instance").(*instance) }

// makeZone makes an instance; for each site named it knows a store that nobody asks.
func makeZone(ts *testscript.TestScript, _ bool, sites []string) {
	ts.Check(ts.Exec("trefoil", "init", "zone", "--example"))
	gate, api := freeAddr(ts), freeAddr(ts)
	edit(ts, "zone/trefoil.yaml", "127.0.0.1:6432", gate, "127.0.0.1:6433", api)
	for _, site := range sites {
		edit(ts, "zone/trefoil.yaml", "stores: {}", fmt.Sprintf("stores:\n  %s: {connect: \"host=127.0.0.1 port=1 dbname=clips\", password_file: keys/%s.password}\n#", site, site))
		ts.Check(os.WriteFile(ts.MkAbs("zone/keys/"+site+".password"), []byte("nobody asks\n"), 0o600))
	}
	ts.Setenv("GATE", gate)
	ts.Setenv("API", api)
	ts.Setenv("TREFOIL_CONFIG", ts.MkAbs("zone/trefoil.yaml"))
}

// mmdb makes a country database.
func mmdb(ts *testscript.TestScript, _ bool, args []string) {
	ranges := map[string]string{}
	for _, a := range args[1:] {
		cidr, country, _ := strings.Cut(a, "=")
		ranges[cidr] = country
	}
	data, err := mmdbtest.Make(ranges)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

func freeAddr(ts *testscript.TestScript) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer ln.Close()
	return ln.Addr().String()
}

func edit(ts *testscript.TestScript, file string, pairs ...string) {
	path := ts.MkAbs(file)
	text, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o644))
}

func addStore(ts *testscript.TestScript, _ bool, args []string) {
	site := args[0]
	db := "clips_" + strings.ReplaceAll(ts.Name(), "-", "_")
	ctx, conn := admin(ts, "postgres")
	_, err := conn.Exec(ctx, "CREATE DATABASE "+db)
	ts.Check(err)
	ts.Defer(func() {
		ctx, conn := admin(ts, "postgres")
		_, err := conn.Exec(ctx, "DROP DATABASE "+db+" WITH (FORCE)")
		ts.Check(err)
	})
	ctx, conn = admin(ts, db)
	ts.Check(clips.Load(ctx, conn, clips.Options{Scale: 0.01, Sites: 2}))
	port := strconv.Itoa(shared.Port)
	edit(ts, "zone/trefoil.yaml", "stores: {}", fmt.Sprintf("stores:\n  %s: {connect: \"host=127.0.0.1 port=%s dbname=%s user=trefoil_gate sslmode=disable\", password_file: keys/%s.password}\n#", site, port, db, site))
	ts.Setenv("STORE_PORT", port)
	ts.Setenv("STORE_DB", db)
	cfg, err := parseDSN(db)
	ts.Check(err)
	ts.Setenv("STORE_PASSWORD", cfg.Password)
}

func startServe(ts *testscript.TestScript, _ bool, _ []string) {
	in := of(ts)
	log, err := os.Create(ts.MkAbs("serve.log"))
	ts.Check(err)
	defer log.Close()
	path, err := exec.LookPath("trefoil")
	ts.Check(err)
	in.cmd = exec.Command(path, "serve", "--config", ts.Getenv("TREFOIL_CONFIG"))
	in.cmd.Stderr, in.cmd.Stdout = log, log
	ts.Check(in.cmd.Start())
	in.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(in.cmd, in.done)
	ts.Defer(func() {
		if in.cmd != nil {
			if err := end(in); err != nil {
				ts.Logf("%v\n%s", err, ts.ReadFile("serve.log"))
			}
		}
	})
	for waited := time.Duration(0); !strings.Contains(ts.ReadFile("serve.log"), `"msg":"serving"`); waited += 20 * time.Millisecond {
		select {
		case err := <-in.done:
			in.done <- err
			ts.Fatalf("serve ended: %v\n%s", err, ts.ReadFile("serve.log"))
		case <-time.After(20 * time.Millisecond):
		}
		if waited > time.Minute {
			ts.Fatalf("serve does not start\n%s", ts.ReadFile("serve.log"))
		}
	}
}

func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 || args[0] != "HUP" {
		ts.Fatalf("signal HUP")
	}
	ts.Check(of(ts).cmd.Process.Signal(syscall.SIGHUP))
}

func stopServe(ts *testscript.TestScript, _ bool, _ []string) {
	if err := end(of(ts)); err != nil {
		ts.Fatalf("%v\n%s", err, ts.ReadFile("serve.log"))
	}
}

// end stops serve as an operator would; it must say that it did so in order.
func end(in *instance) error {
	cmd := in.cmd
	in.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case err := <-in.done:
		if err != nil {
			return fmt.Errorf("serve did not stop in order: %w", err)
		}
		return nil
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		return errors.New("serve does not stop")
	}
}

func enrol(ts *testscript.TestScript, _ bool, logins []string) {
	ts.Check(os.MkdirAll(ts.MkAbs("people"), 0o700))
	for _, login := range logins {
		key := ts.MkAbs("people/" + login)
		ts.Check(ts.Exec("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", login, "-f", key))
		ts.Check(ts.Exec("trefoil", "enrol", login, "--key", key+".pub"))
	}
}

func as(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("TREFOIL_LOGIN", args[0])
	ts.Setenv("TREFOIL_KEY", ts.MkAbs("people/"+args[0]))
}

func exit(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	err = ts.Exec(args[1], args[2:]...)
	if e := new(exec.ExitError); errors.As(err, &e) {
		code = e.ExitCode()
	} else if err != nil {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("it ended with code %d, not %d\n[stdout]\n%s[stderr]\n%s", code, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	if strings.Contains(ts.ReadFile("stderr"), "goroutine ") {
		ts.Fatalf("that is a stack trace:\n%s", ts.ReadFile("stderr"))
	}
}

func capture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("no one group of %s in the output", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(args[1])
	for waited := time.Duration(0); waited < time.Minute; waited += 20 * time.Millisecond {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && re.Match(data) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s never says %s", args[0], args[1])
}
