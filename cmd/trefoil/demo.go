package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

type demoCmd struct {
	Once  bool    `help:"Tell the story, clean up, and exit 0 or 1."`
	Scale float64 `default:"1" help:"Size of the platform: 1 is 200,000 users."`
	Dir   string  `type:"path" help:"Keep everything in this new directory [a temporary one, removed at the end]."`
	Port  int     `default:"6432" help:"Port of the first gate; another free one if it is taken."`
}

func (c *demoCmd) Run(e *env) (err error) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		return fault.New(fault.BadInput, "the demo's people sign with ssh-keygen, which is not installed").WithHint("apt-get install openssh-client")
	}
	dir, err := c.directory()
	if err != nil {
		return err
	}
	w := newWorld(e, dir, c.Dir != "", c.Scale, c.Port)
	defer func() {
		w.stop()
		if c.Dir == "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	begin := time.Now()
	if err := w.start(e.ctx); err != nil {
		return err
	}
	ready := time.Since(begin)
	if err := w.story(e.ctx); err != nil {
		return fault.New(fault.Denied, "the story did not go as it must: %w", err).
			WithHint("the gates' own logs are %s and %s (keep them with --dir)", w.eu.serveLog(), w.us.serveLog())
	}
	e.printf("\nset up in %s, told in %s\n", ready.Round(time.Second), (time.Since(begin) - ready).Round(time.Second))
	if c.Once {
		return nil
	}
	w.invite()
	select {
	case <-e.ctx.Done():
		e.printf("\ncleaning up\n")
		return nil
	case err := <-w.exited:
		return err
	}
}

// directory is where everything goes. The stores run as user postgres when we
// are root, so that user must be able to enter it.
func (c *demoCmd) directory() (string, error) {
	if c.Dir == "" {
		dir, err := os.MkdirTemp("", "trefoil-demo-")
		if err == nil {
			err = os.Chmod(dir, 0o755)
		}
		return dir, err
	}
	if names, err := os.ReadDir(c.Dir); err == nil && len(names) > 0 {
		return "", fault.New(fault.Conflict, "%s is not empty", c.Dir).WithHint("name a new directory with --dir")
	}
	return c.Dir, os.MkdirAll(c.Dir, 0o755)
}

// step is one command of the story: shown, run, shown what it printed, checked.
type step struct {
	who     string   // whose environment
	zone    *zone    // where; zone eu unless given
	secret  string   // given as PGPASSWORD, and not shown
	command []string // as typed
	code    int      // exit code it must have
	want    []string // what it must print, on either stream
	absent  []string // what it must not
}

// say tells what comes next.
func (w *world) say(format string, args ...any) {
	bold, plain := "\x1b[1m", "\x1b[0m"
	if f, ok := w.env.stdout.(*os.File); !ok || !terminal(f) {
		bold, plain = "", ""
	}
	w.env.printf("\n"+bold+"── "+format+plain+"\n", args...)
}

// terminal says whether a person is watching.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// do runs a step and gives what it printed.
func (w *world) do(ctx context.Context, s step) (string, error) {
	z, prompt, password := w.eu, s.who, ""
	if s.zone != nil {
		z, prompt = s.zone, s.who+"@"+s.zone.name
	}
	if s.secret != "" {
		password = "PGPASSWORD=… "
	}
	w.env.printf("%s$ %s%s\n", prompt, password, shown(s.command))
	cmd := exec.CommandContext(ctx, w.resolve(s.command[0]), s.command[1:]...)
	cmd.Dir = w.dir
	cmd.Env = z.envOf(s.who)
	if s.secret != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+s.secret)
	}
	var out strings.Builder
	tee := io.MultiWriter(&out, &indent{w: w.env.stdout, start: true})
	cmd.Stdout, cmd.Stderr = tee, tee
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if code := cmd.ProcessState.ExitCode(); code != s.code {
		return out.String(), fmt.Errorf("%s exited %d, not %d", s.command[0], code, s.code)
	}
	for _, want := range s.want {
		if !strings.Contains(out.String(), want) {
			return out.String(), fmt.Errorf("%s did not print %q", shown(s.command), want)
		}
	}
	for _, absent := range s.absent {
		if strings.Contains(out.String(), absent) {
			return out.String(), fmt.Errorf("%s printed %q", shown(s.command), absent)
		}
	}
	return out.String(), nil
}

// shown is a command as one would type it.
func shown(command []string) string {
	words := make([]string, len(command))
	for i, a := range command {
		if a == "" || strings.ContainsAny(a, " '\"$|&;()<>*~") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words[i] = a
	}
	return strings.Join(words, " ")
}

// resolve finds our own binary and PostgreSQL's.
func (w *world) resolve(name string) string {
	switch name {
	case "trefoil":
		return w.self
	case "psql":
		return filepath.Join(w.bin, "psql")
	}
	return name
}

// indent sets what a command printed apart from the story.
type indent struct {
	w     io.Writer
	start bool
}

func (i *indent) Write(p []byte) (int, error) {
	for _, line := range strings.SplitAfter(string(p), "\n") {
		if line == "" {
			continue
		}
		if i.start {
			line = "    " + line
		}
		i.start = strings.HasSuffix(line, "\n")
		if _, err := io.WriteString(i.w, line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
