package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	example "github.com/trefoil-dev/trefoil/examples/clips"
	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
)

// zone is one zone of the demo: a store at each site, and in front of them one
// instance with configuration, rules, log and gate of its own.
type zone struct {
	*world
	name   string
	sites  []string
	staff  []string
	port   int                  // of the gate
	api    int                  // of the HTTP API
	stores []*pgcluster.Cluster // by site
	serve  *exec.Cmd
	ended  chan struct{} // closed when serve has ended
}

func (z *zone) instance() string { return filepath.Join(z.dir, z.name) }
func (z *zone) serveLog() string { return filepath.Join(z.dir, z.name+".log") }
func (z *zone) config() string   { return filepath.Join(z.instance(), "trefoil.yaml") }

// startStores starts one PostgreSQL per site.
func (z *zone) startStores(ctx context.Context) error {
	z.stores = make([]*pgcluster.Cluster, len(z.sites))
	return z.eachSite(func(i int, site string) (err error) {
		z.stores[i], err = pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(z.dir, site), Settings: z.settings})
		return err
	})
}

func (z *zone) eachSite(do func(i int, site string) error) error {
	var all []int
	for i := range z.sites {
		all = append(all, i)
	}
	return each(all, func(i int) error { return do(i, z.sites[i]) })
}

// init makes the instance's directory as an operator would.
func (z *zone) init(ctx context.Context) error {
	hosts := "localhost,127.0.0.1"
	for _, addr := range offices {
		hosts += "," + addr
	}
	if out, err := exec.CommandContext(ctx, z.self, "init", z.instance(), "--zone", z.name, "--host", hosts).CombinedOutput(); err != nil {
		return fmt.Errorf("trefoil init: %s", out)
	}
	text, err := os.ReadFile(z.config())
	if err != nil {
		return err
	}
	z.port, z.api = 6432, 6433 // as init writes them
	stores := "stores:\n"
	for i, site := range z.sites {
		stores += fmt.Sprintf("  %s:\n    connect: \"host=127.0.0.1 port=%d dbname=clips user=trefoil_gate sslmode=disable\"\n    password_file: keys/%s.password\n", site, z.stores[i].Port, site)
	}
	if err := os.WriteFile(z.config(), []byte(strings.Replace(string(text), "stores: {}", stores+"#", 1)), 0o644); err != nil {
		return err
	}
	return example.Write(filepath.Join(z.instance(), "rules"), z.name)
}

// fill loads each site's share of the zone's residents and applies the lenses.
func (z *zone) fill(ctx context.Context) error {
	return z.eachSite(func(i int, site string) error {
		c := z.stores[i]
		if err := clips.Create(ctx, c, clips.Options{Scale: z.scale, Zone: z.name, Site: i, Sites: len(z.sites)}); err != nil {
			return err
		}
		admin := fmt.Sprintf("host=127.0.0.1 port=%d dbname=clips user=postgres sslmode=disable", c.Port)
		return z.quiet(ctx, c.Env("clips"), "lens", "apply", "clips", "--site", site, "--admin", admin)
	})
}

// open puts the rules in force and enrols the people.
func (z *zone) open(ctx context.Context) error {
	if err := z.quiet(ctx, nil, "publish"); err != nil {
		return err
	}
	for _, login := range z.staff {
		if err := z.quiet(ctx, nil, "enrol", login, "--key", z.key(login)+".pub"); err != nil {
			return err
		}
	}
	return nil
}

// startServe runs the instance. Its ports were free a moment ago; when somebody
// else was faster, such as another demo, it takes others.
func (z *zone) startServe(ctx context.Context) (err error) {
	for range 3 {
		if err = z.choosePorts(); err != nil {
			return err
		}
		if err = z.tryServe(ctx); err == nil || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
	}
	return err
}

// choosePorts writes ports that are free now into the configuration.
func (z *zone) choosePorts() error {
	text, err := os.ReadFile(z.config())
	if err != nil {
		return err
	}
	at := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	port := z.free(z.world.port)
	api := z.free(port + 1)
	set := strings.NewReplacer(at(z.port), at(port), at(z.api), at(api))
	z.port, z.api, z.world.port = port, api, api+1
	return os.WriteFile(z.config(), []byte(set.Replace(string(text))), 0o644)
}

// tryServe runs the instance as a process of its own until it answers.
func (z *zone) tryServe(ctx context.Context) error {
	log, err := os.Create(z.serveLog())
	if err != nil {
		return err
	}
	defer log.Close()
	z.serve = exec.Command(z.self, "serve", "--config", z.config())
	z.serve.Stdout, z.serve.Stderr = log, log
	z.serve.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true} // Ctrl-C is ours to pass on
	if err := z.serve.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	z.ended = ended
	var how error
	go func() {
		how = z.serve.Wait()
		close(ended)
	}()
	cl, err := (&connection{Config: z.config()}).open(nil)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, err := cl.status(ctx)
		if err == nil {
			go func() {
				<-ended
				z.exited <- fmt.Errorf("trefoil serve of zone %s ended: %v", z.name, how)
			}()
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ended:
			said, _ := os.ReadFile(z.serveLog())
			return fmt.Errorf("trefoil serve did not start: %s", said)
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// envOf is what a person's shell has set.
func (z *zone) envOf(login string) []string {
	return append(os.Environ(), "TREFOIL_CONFIG="+z.config(), "TREFOIL_LOGIN="+login, "TREFOIL_KEY="+z.key(login),
		"PGPASSFILE="+z.key(login)+".pgpass", "PGSSLMODE=verify-full", "PGSSLROOTCERT="+filepath.Join(z.instance(), "keys", "tls.crt"),
		"PGPORT="+strconv.Itoa(z.port), "PAGER=cat", "PSQLRC=/dev/null")
}

// quiet runs our own binary and shows what it printed only when it failed.
func (z *zone) quiet(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, z.self, args...)
	cmd.Env = append(z.envOf("operator"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("trefoil %s: %s", strings.Join(args, " "), out)
	}
	return nil
}

// stop ends the instance, then the stores.
func (z *zone) stop() {
	if z.ended != nil {
		_ = z.serve.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case <-z.ended:
		case <-time.After(20 * time.Second):
			_ = z.serve.Process.Kill()
		}
	}
	_ = z.eachSite(func(i int, site string) error { // it says itself what did not end well
		if i < len(z.stores) && z.stores[i] != nil {
			if err := z.stores[i].Stop(); err != nil {
				fmt.Fprintf(z.env.stderr, "store %s: %s\n", site, err)
			}
		}
		return nil
	})
}
