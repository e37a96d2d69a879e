package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	example "github.com/trefoil-dev/trefoil/examples/clips"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
)

// offices are loopback addresses that stand for source countries, as
// examples/clips/countries.yaml has them.
var offices = map[string]string{"Dublin": "127.1.0.1", "Hamar": "127.2.0.1", "abroad": "127.9.0.1"}

// staff are the people of the story, with an SSH key each.
var staff = []string{"jonas", "mei", "viktor", "diana", "astrid"}

// world is the demo's: two stores, an instance, people with keys.
type world struct {
	env    *env
	dir    string
	scale  float64
	port   int
	self   string // our own binary
	bin    string // PostgreSQL's
	stores []*pgcluster.Cluster
	serve  *exec.Cmd
	exited chan error
	relays []net.Listener
}

var sites = []string{"dublin-1", "hamar"}

func (w *world) instance() string { return filepath.Join(w.dir, "eu") }
func (w *world) serveLog() string { return filepath.Join(w.dir, "serve.log") }
func (w *world) config() string   { return filepath.Join(w.instance(), "trefoil.yaml") }

// start sets everything up, each part announced.
func (w *world) start(ctx context.Context) (err error) {
	if w.self, err = os.Executable(); err != nil {
		return err
	}
	if err := pgcluster.Install(ctx, w.env.stdout); err != nil {
		return err
	}
	if w.bin, _, err = pgcluster.Find(); err != nil {
		return err
	}
	if err := w.startStores(ctx); err != nil {
		return err
	}
	if err := w.initInstance(ctx); err != nil {
		return err
	}
	for i, site := range sites {
		w.env.printf("fencing store %s and giving it its lenses\n", site)
		admin := fmt.Sprintf("host=127.0.0.1 port=%d dbname=clips user=postgres sslmode=disable", w.stores[i].Port)
		if err := w.quiet(ctx, w.stores[i].Env("clips"), "lens", "apply", "clips", "--site", site, "--admin", admin); err != nil {
			return err
		}
	}
	if err := w.startServe(ctx); err != nil {
		return err
	}
	if err := w.startRelays(); err != nil {
		return err
	}
	if err := w.quiet(ctx, nil, "publish"); err != nil {
		return err
	}
	for _, login := range staff {
		if err := w.enrol(ctx, login); err != nil {
			return err
		}
	}
	return nil
}

// startStores starts one PostgreSQL per site and loads its share of the people.
func (w *world) startStores(ctx context.Context) error {
	loaded := make(chan error, len(sites))
	for i, site := range sites {
		w.env.printf("starting store %s\n", site)
		c, err := pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(w.dir, site)})
		if err != nil {
			return err
		}
		w.stores = append(w.stores, c)
		go func() { loaded <- load(ctx, c, clips.Options{Scale: w.scale, Site: i, Sites: len(sites)}) }()
	}
	w.env.printf("loading the people of a platform of %.0f users, those who live in zone eu\n", w.scale*clips.UsersAtScale1)
	var errs []error
	for range sites {
		errs = append(errs, <-loaded)
	}
	return errors.Join(errs...)
}

func load(ctx context.Context, c *pgcluster.Cluster, o clips.Options) error {
	admin, err := pgx.Connect(ctx, c.DSN("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "CREATE DATABASE clips"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.DSN("clips"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return clips.Load(ctx, conn, o)
}

// initInstance makes the instance's directory as an operator would.
func (w *world) initInstance(ctx context.Context) error {
	hosts := "localhost,127.0.0.1"
	for _, addr := range offices {
		hosts += "," + addr
	}
	if out, err := exec.CommandContext(ctx, w.self, "init", w.instance(), "--host", hosts).CombinedOutput(); err != nil {
		return fmt.Errorf("trefoil init: %s", out)
	}
	text, err := os.ReadFile(w.config())
	if err != nil {
		return err
	}
	w.port = freePort(w.port)
	stores := "stores:\n"
	for i, site := range sites {
		stores += fmt.Sprintf("  %s:\n    connect: \"host=127.0.0.1 port=%d dbname=clips user=trefoil_gate sslmode=disable\"\n    password_file: keys/%s.password\n", site, w.stores[i].Port, site)
	}
	set := strings.NewReplacer("127.0.0.1:6432", "127.0.0.1:"+strconv.Itoa(w.port), "127.0.0.1:6433", "127.0.0.1:"+strconv.Itoa(freePort(w.port+1)), "stores: {}", stores+"#")
	if err := os.WriteFile(w.config(), []byte(set.Replace(string(text))), 0o644); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(w.instance(), "rules"), fs.FS(example.Files))
}

// freePort gives port if nobody listens there, otherwise another.
func freePort(port int) int {
	for _, addr := range []string{fmt.Sprintf("127.0.0.1:%d", port), "127.0.0.1:0"} {
		if ln, err := net.Listen("tcp", addr); err == nil {
			defer ln.Close()
			return ln.Addr().(*net.TCPAddr).Port
		}
	}
	return port
}

// startServe runs the instance as a process of its own.
func (w *world) startServe(ctx context.Context) error {
	w.env.printf("starting the gate\n")
	log, err := os.Create(w.serveLog())
	if err != nil {
		return err
	}
	defer log.Close()
	w.serve = exec.Command(w.self, "serve", "--config", w.config())
	w.serve.Stdout, w.serve.Stderr = log, log
	w.serve.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true} // Ctrl-C is ours to pass on
	if err := w.serve.Start(); err != nil {
		return err
	}
	w.exited = make(chan error, 1)
	go func() { w.exited <- w.serve.Wait() }()
	cl, err := (&connection{Config: w.config()}).open(nil)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, err := cl.status(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case end := <-w.exited:
			w.exited <- end
			said, _ := os.ReadFile(w.serveLog())
			return fmt.Errorf("trefoil serve did not start: %s", said)
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// startRelays stands for the networks of the offices: psql can't choose the
// address it comes from, so a relay on each address passes its bytes on.
func (w *world) startRelays() error {
	for _, addr := range offices {
		ln, err := net.Listen("tcp", net.JoinHostPort(addr, strconv.Itoa(w.port)))
		if err != nil {
			return err
		}
		w.relays = append(w.relays, ln)
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
		go relay(ln, dialer, fmt.Sprintf("127.0.0.1:%d", w.port))
	}
	return nil
}

func relay(ln net.Listener, dialer net.Dialer, to string) {
	for {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := dialer.Dial("tcp", to)
			if err != nil {
				return
			}
			defer out.Close()
			go func() {
				_, _ = io.Copy(out, in) // either end closing ends both
				out.Close()
			}()
			_, _ = io.Copy(in, out)
		}()
	}
}

func (w *world) enrol(ctx context.Context, login string) error {
	key := w.key(login)
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", login, "-f", key).CombinedOutput(); err != nil {
		return fmt.Errorf("ssh-keygen: %s", out)
	}
	return w.quiet(ctx, nil, "enrol", login, "--key", key+".pub")
}

func (w *world) key(login string) string { return filepath.Join(w.dir, "people", login) }

// envOf is what a person's shell has set.
func (w *world) envOf(login string) []string {
	return append(os.Environ(), "TREFOIL_CONFIG="+w.config(), "TREFOIL_LOGIN="+login, "TREFOIL_KEY="+w.key(login),
		"PGPASSFILE="+w.key(login)+".pgpass", "PGSSLMODE=verify-full", "PGSSLROOTCERT="+filepath.Join(w.instance(), "keys", "tls.crt"),
		"PGPORT="+strconv.Itoa(w.port), "PAGER=cat", "PSQLRC=/dev/null")
}

// quiet runs our own binary and shows what it printed only when it failed.
func (w *world) quiet(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, w.self, args...)
	cmd.Env = append(w.envOf("operator"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("trefoil %s: %s", strings.Join(args, " "), out)
	}
	return nil
}

// stop ends what was started, in order.
func (w *world) stop() {
	for _, ln := range w.relays {
		ln.Close()
	}
	if w.serve != nil && w.serve.Process != nil {
		_ = w.serve.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case end := <-w.exited:
			w.exited <- end // whoever asks again is told again
		case <-time.After(20 * time.Second):
			_ = w.serve.Process.Kill()
		}
	}
	for _, c := range w.stores {
		if err := c.Stop(); err != nil {
			fmt.Fprintf(w.env.stderr, "store: %s\n", err)
		}
	}
}
