package testbin

import (
	"bufio"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what is sure to happen.
const patience = 60 * time.Second

// Process is a running `trefoil serve`.
type Process struct {
	Pid int

	tb   testing.TB
	cmd  *exec.Cmd
	done chan struct{} // closed after the process was reaped

	mu   sync.Mutex
	said strings.Builder
	news chan struct{} // closed at each line, and replaced
}

// Serve runs a command line that ends in `trefoil serve …` and returns once that
// says it serves. The process ends with the test at the latest.
func Serve(tb testing.TB, program string, args ...string) *Process {
	tb.Helper()
	p := Start(tb, program, args...)
	p.Await(`"msg":"serving"`)
	return p
}

// Start is Serve without waiting.
func Start(tb testing.TB, program string, args ...string) *Process {
	tb.Helper()
	p := &Process{tb: tb, cmd: exec.Command(program, args...), done: make(chan struct{}), news: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test, which stops it
	dieWithParent(p.cmd.SysProcAttr)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	started := make(chan error, 1)
	go func() {
		// The parent-death signal is tied to the thread that forked.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			defer close(p.done)
			p.listen(out)
			_ = p.cmd.Wait() // ProcessState says how it ended
		}
	}()
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	p.Pid = p.cmd.Process.Pid
	tb.Cleanup(p.Kill)
	return p
}

func (p *Process) listen(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		p.said.WriteString(line)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Said is what it has written to its error stream.
func (p *Process) Said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// Await waits until the process has said text; the test fails if it ends first.
func (p *Process) Await(text string) {
	p.tb.Helper()
	late := time.After(patience)
	for {
		p.mu.Lock()
		said, news := p.said.String(), p.news
		p.mu.Unlock()
		if strings.Contains(said, text) {
			return
		}
		select {
		case <-news:
		case <-p.done:
			if !strings.Contains(p.Said(), text) {
				p.tb.Fatalf("it ended (%s) and never said %q:\n%s", p.cmd.ProcessState, text, p.Said())
			}
		case <-late:
			p.tb.Fatalf("it did not say %q in %s:\n%s", text, patience, said)
		}
	}
}

// Kill ends it as a power cut would, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// Stop asks it to end and gives the exit code.
func (p *Process) Stop() int {
	p.tb.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(patience):
		p.tb.Fatalf("it did not stop in %s:\n%s", patience, p.Said())
	}
	return p.cmd.ProcessState.ExitCode()
}
