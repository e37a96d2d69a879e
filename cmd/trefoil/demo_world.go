package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
)

// offices are loopback addresses that stand for source countries, as
// examples/clips/countries.yaml has them.
var offices = map[string]string{"Dublin": "127.1.0.1", "Hamar": "127.2.0.1", "Ashburn": "127.3.0.1", "abroad": "127.9.0.1"}

// world is the demo's: two zones with their stores and instances, people with keys.
type world struct {
	env      *env
	dir      string
	scale    float64
	port     int           // where the next gate begins to look for a free one
	free     func(int) int // freePort
	self     string        // our own binary
	bin      string        // PostgreSQL's
	eu, us   *zone
	settings map[string]string // of the stores
	exited   chan error        // of an instance that ended after it had served
	relays   []net.Listener
}

// newWorld plans it. Stores that are removed at the end need not survive a power
// failure; the logs are written as durably as ever.
func newWorld(e *env, dir string, kept bool, scale float64, port int) *world {
	w := &world{env: e, dir: dir, scale: scale, port: port, free: freePort, exited: make(chan error, 2)}
	if !kept {
		w.settings = map[string]string{"fsync": "off"}
	}
	w.eu = &zone{world: w, name: "eu", sites: []string{"dublin-1", "dublin-2", "hamar"}, staff: []string{"jonas", "mei", "viktor", "diana", "astrid"}}
	w.us = &zone{world: w, name: "us", sites: []string{"ashburn"}, staff: []string{"jonas", "ruth"}}
	return w
}

func (w *world) zones() []*zone { return []*zone{w.eu, w.us} }

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
	w.env.printf("starting four stores: %s in zone eu, %s in zone us\n", strings.Join(w.eu.sites, ", "), strings.Join(w.us.sites, ", "))
	if err := each(w.zones(), func(z *zone) error { return z.startStores(ctx) }); err != nil {
		return err
	}
	for _, z := range w.zones() {
		if err := z.init(ctx); err != nil {
			return err
		}
	}
	w.env.printf("loading %.0f users, each where they live; fencing each store and giving it its lenses\n", w.scale*clips.UsersAtScale1)
	if err := each(w.zones(), func(z *zone) error { return z.fill(ctx) }); err != nil {
		return err
	}
	w.env.printf("starting a gate for each zone; publishing its rules; enrolling its people\n")
	if err := w.makeKeys(ctx); err != nil {
		return err
	}
	for _, z := range w.zones() { // one after the other, so that each finds its ports
		if err := z.startServe(ctx); err != nil {
			return err
		}
	}
	if err := each(w.zones(), func(z *zone) error { return z.open(ctx) }); err != nil {
		return err
	}
	return w.startRelays()
}

// each does something for all at once and waits for every one.
func each[T any](all []T, do func(T) error) error {
	done := make(chan error, len(all))
	for _, one := range all {
		go func() { done <- do(one) }()
	}
	var errs []error
	for range all {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
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

// startRelays stands for the networks of the offices: psql can't choose the
// address it comes from, so a relay on each address passes its bytes on.
func (w *world) startRelays() error {
	for _, z := range w.zones() {
		for _, addr := range offices {
			ln, err := net.Listen("tcp", net.JoinHostPort(addr, strconv.Itoa(z.port)))
			if err != nil {
				return err
			}
			w.relays = append(w.relays, ln)
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
			go relay(ln, dialer, fmt.Sprintf("127.0.0.1:%d", z.port))
		}
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

// makeKeys gives everybody of the story an SSH key.
func (w *world) makeKeys(ctx context.Context) error {
	made := map[string]bool{}
	for _, z := range w.zones() {
		for _, login := range z.staff {
			if made[login] {
				continue
			}
			made[login] = true
			key := w.key(login)
			if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
				return err
			}
			if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", login, "-f", key).CombinedOutput(); err != nil {
				return fmt.Errorf("ssh-keygen: %s", out)
			}
		}
	}
	return nil
}

func (w *world) key(login string) string { return filepath.Join(w.dir, "people", login) }

// stop ends what was started, in order.
func (w *world) stop() {
	for _, ln := range w.relays {
		ln.Close()
	}
	_ = each(w.zones(), func(z *zone) error { // it says itself what did not end well
		z.stop()
		return nil
	})
}
