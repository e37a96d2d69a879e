package pgcluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errPortTaken = errors.New("the port is taken")

// process is one server process, from its start to its end.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after the process was reaped
	err  error         // of Wait; read after done

	once    sync.Once
	stopErr error
}

func initdb(ctx context.Context, c *Cluster, owner *account, pwFile, data string, noSync bool) error {
	args := []string{"--pgdata=" + data, "--username=" + superuser, "--pwfile=" + pwFile, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=" + locale()}
	if noSync {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, "initdb"), args...)
	cmd.Env, cmd.Dir = cleanEnv(), c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner.credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb failed: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// locale sorts by code point the same way everywhere and still knows the case
// of letters outside ASCII where the system has such a locale.
func locale() string {
	if runtime.GOOS == "linux" {
		return "C.UTF-8"
	}
	return "C"
}

// startServer runs postgres and waits for it to say that it is ready.
func startServer(ctx context.Context, c *Cluster, owner *account, settings map[string]string) (*process, error) {
	args := []string{"-D", filepath.Join(c.Dir, "data")}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", c.Host)
	set("port", strconv.Itoa(c.Port))
	set("unix_socket_directories", socketDir(c.Dir))
	set("lc_messages", "C") // the ready line is matched below
	// A shutdown waits for clients that connected and said nothing; less than stopFast.
	set("authentication_timeout", "10s")
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		set(name, settings[name])
	}
	log, err := os.OpenFile(c.Log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(c.Bin, "postgres"), args...)
	cmd.Env, cmd.Dir = cleanEnv(), c.Dir
	// A group of its own: Ctrl-C at the terminal is for us, and we stop the server
	// when everything that uses it has ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner.credential(), Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	out, err := cmd.StderrPipe()
	if err != nil {
		log.Close()
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	said := make(chan error, 1) // nil: ready
	go func() {
		// The parent-death signal is tied to the thread that forked, so this thread
		// stays ours until the server has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer log.Close()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		said <- follow(out, log)
		_, _ = io.Copy(log, out) // a full disk must not end the server
		p.err = cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	select {
	case err := <-said:
		if err == nil {
			return p, nil
		}
		<-p.done
		return nil, fmt.Errorf("PostgreSQL did not start on %s:%d: %w; the end of %s:\n%s", c.Host, c.Port, err, c.Log(), tail(c.Log(), 2000))
	case <-ctx.Done():
		_ = p.stop() // the reason below comes first
		return nil, fmt.Errorf("PostgreSQL did not get ready: %w; the end of %s:\n%s", ctx.Err(), c.Log(), tail(c.Log(), 2000))
	}
}

// follow copies the server's log until it says that it is ready (nil) or ends.
func follow(r io.Reader, log io.Writer) error {
	fail := errors.New("it ended at once")
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		_, _ = io.WriteString(log, line)
		if err != nil {
			return fail
		}
		switch {
		case strings.Contains(line, "database system is ready to accept connections"):
			rest, _ := br.Peek(br.Buffered()) // what was read ahead of the plain copy
			_, _ = log.Write(rest)
			return nil
		case strings.Contains(line, "Address already in use"):
			fail = errPortTaken
		case strings.Contains(line, "postmaster.pid\" already exists"):
			fail = errors.New("another server runs in this directory")
		}
	}
}

// socketDir is where the unix socket goes: nowhere when the path would exceed
// what the system allows for one (104 bytes on macOS, 108 on Linux).
func socketDir(dir string) string {
	if len(dir)+len("/.s.PGSQL.65535.lock") > 103 || strings.ContainsAny(dir, `",`) {
		return ""
	}
	return dir
}

func (p *process) stop() error {
	p.once.Do(func() {
		select {
		case <-p.done:
			if p.err != nil {
				p.stopErr = fmt.Errorf("PostgreSQL had ended by itself: %w", p.err)
			}
			return
		default:
		}
		p.cmd.Process.Signal(syscall.SIGINT) // fast
		if p.endsWithin(stopFast) {
			return
		}
		p.stopErr = fmt.Errorf("PostgreSQL ignored a fast shutdown for %s and was stopped at once", stopFast)
		p.cmd.Process.Signal(syscall.SIGQUIT) // immediate
		if p.endsWithin(stopNow) {
			return
		}
		p.cmd.Process.Kill()
		<-p.done
	})
	return p.stopErr
}

func (p *process) endsWithin(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}
