package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// gateProcess is `trefoil serve` with one grant, set up with the commands an
// operator and a member of staff would type.
type gateProcess struct {
	endpoint
	bin, dir string
	serve    *exec.Cmd
	log      *os.File
}

const person = "bench" // of rules/directory.yaml

// startGate makes an instance in dir, which must lie on a real disk, starts it
// and has it grant the bulk lens.
func startGate(ctx context.Context, bin, dir string, s *store) (_ *gateProcess, err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	if _, err := os.Stat(bin); err != nil {
		return nil, fmt.Errorf("%w; build it with: make build", err)
	}
	g := &gateProcess{bin: bin, dir: dir}
	if _, err := g.trefoil(ctx, "init", dir, "--zone", "bench"); err != nil {
		return nil, err
	}
	if err := g.configure(s); err != nil {
		return nil, err
	}
	admin := fmt.Sprintf("host=%s port=%d dbname=%s user=%s sslmode=disable", s.Host, s.Port, database, benchUsr)
	cmd := g.command(ctx, "lens", "apply", dataset, "--site", "one", "--admin", admin)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+s.password)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("trefoil lens apply: %w\n%s", err, out)
	}
	if err := g.start(); err != nil {
		return nil, err
	}
	if err := g.grant(ctx); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

// configure points the instance at the store and gives it the rules.
func (g *gateProcess) configure(s *store) error {
	listen, err1 := freePort()
	api, err2 := freePort()
	own, err3 := fs.Sub(rules, "rules")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	path := filepath.Join(g.dir, "trefoil.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	stores := fmt.Sprintf("stores:\n  one:\n    connect: \"host=%s port=%d dbname=%s user=trefoil_gate sslmode=disable\"\n    password_file: keys/one.password\n#", s.Host, s.Port, database)
	set := strings.NewReplacer("127.0.0.1:6432", "127.0.0.1:"+strconv.Itoa(listen), "127.0.0.1:6433", "127.0.0.1:"+strconv.Itoa(api), "stores: {}", stores)
	return errors.Join(os.WriteFile(path, []byte(set.Replace(string(text))), 0o644), os.CopyFS(filepath.Join(g.dir, "rules"), own))
}

// start runs serve and waits until it says that it serves.
func (g *gateProcess) start() (err error) {
	if g.log, err = os.Create(filepath.Join(g.dir, "serve.log")); err != nil {
		return err
	}
	g.serve = g.command(context.Background(), "serve")
	g.serve.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it
	out, err := g.serve.StderrPipe()
	if err != nil {
		return err
	}
	if err := g.serve.Start(); err != nil {
		return err
	}
	log := bufio.NewReader(out)
	for {
		line, err := log.ReadString('\n')
		_, _ = io.WriteString(g.log, line)
		if err != nil {
			return errors.Join(fmt.Errorf("trefoil serve did not start: %s", line), g.stop())
		}
		if strings.Contains(line, `"msg":"serving"`) {
			go func() { _, _ = io.Copy(g.log, log) }() // until it ends
			return nil
		}
	}
}

var (
	grantLine    = regexp.MustCompile(`(?m)^grant (g-\w+):`)
	passwordLine = regexp.MustCompile(`(?m)^password\s+(\S+)$`)
	connectLine  = regexp.MustCompile(`host=(\S+) port=(\d+) user=(\S+) dbname=(\S+)`)
)

// grant enrols the person, asks for access and reads how to connect.
func (g *gateProcess) grant(ctx context.Context) error {
	key := filepath.Join(g.dir, "person")
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		return fmt.Errorf("ssh-keygen: %w\n%s", err, out)
	}
	var said string
	for _, args := range [][]string{
		{"publish"},
		{"enrol", person, "--key", key + ".pub"},
		{"access", "request", dataset, "--scope", "bulk", "--purpose", "engineering", "--login", person, "--key", key},
	} {
		var err error
		if said, err = g.trefoil(ctx, args...); err != nil {
			return err
		}
	}
	id := grantLine.FindStringSubmatch(said)
	if id == nil {
		return fmt.Errorf("no grant in what trefoil access request printed:\n%s", said)
	}
	said, err := g.trefoil(ctx, "access", "show", id[1], "--secret", "--login", person, "--key", key)
	if err != nil {
		return err
	}
	password, connect := passwordLine.FindStringSubmatch(said), connectLine.FindStringSubmatch(said)
	if password == nil || connect == nil {
		return fmt.Errorf("no password or connection in what trefoil access show printed:\n%s", said)
	}
	port, err := strconv.Atoi(connect[2])
	g.endpoint = endpoint{name: "gate", host: connect[1], port: port, user: connect[3], password: password[1], db: connect[4], sslmode: "require", pid: g.serve.Process.Pid}
	return err
}

func (g *gateProcess) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.bin, args...)
	cmd.Env = append(os.Environ(), "TREFOIL_CONFIG="+filepath.Join(g.dir, "trefoil.yaml"))
	return cmd
}

func (g *gateProcess) trefoil(ctx context.Context, args ...string) (string, error) {
	out, err := g.command(ctx, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("trefoil %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (g *gateProcess) stop() error {
	_ = g.serve.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	err := g.serve.Wait()
	g.log.Close()
	if err != nil {
		said, _ := os.ReadFile(g.log.Name())
		return fmt.Errorf("trefoil serve: %w\n%s", err, said[max(0, len(said)-2000):])
	}
	return nil
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory is the largest resident size the gate's process has had, from
// Linux's /proc.
func (g *gateProcess) peakMemory() string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.pid))
	m := peakLine.FindSubmatch(status)
	if m == nil {
		return "unknown on this system"
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return "unknown on this system"
	}
	return fmt.Sprintf("%d MB", kb/1024)
}
