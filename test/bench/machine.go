package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// describeMachine says in one paragraph what the figures were measured on.
func describeMachine(dir string, s *store) string {
	sync := "unknown"
	if us, err := measureSync(dir); err == nil {
		sync = fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%d × %s, %s; PostgreSQL %d, %s; %s; a synced write of 600 bytes takes %s (median).",
		runtime.NumCPU(), cpuModel(), kernel(), s.Major, bouncerVersion(), runtime.Version(), sync)
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // absent elsewhere than on Linux
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	out, err := exec.Command("uname", "-sr").Output()
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(out))
}

func bouncerVersion() string {
	for _, bin := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if out, err := exec.Command(bin, "--version").Output(); err == nil {
			first, _, _ := strings.Cut(string(out), "\n")
			return first
		}
	}
	return "PgBouncer"
}

// measureSync is the median of appending about one record and waiting for the
// disk, µs: what one statement of one client waits for.
func measureSync(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	record := make([]byte, 600)
	took := make([]float64, 500)
	for i := range took {
		if _, err := f.Write(record); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = float64(time.Since(began).Nanoseconds()) / 1e3
	}
	slices.Sort(took)
	return percentile(took, 50), nil
}

// figure is one line of `go test -bench`.
type figure struct {
	name   string
	values []string // "value unit"
}

var benchLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// packageFigures runs benchmarks that packages have of their own.
func packageFigures(ctx context.Context, args ...string) ([]figure, error) {
	args = append([]string{"test", "-run=^$"}, args...)
	fmt.Fprintln(os.Stderr, "go", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return parseFigures(out), nil
}

func parseFigures(out []byte) (figures []figure) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		m := benchLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		f := figure{name: m[1]}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			f.values = append(f.values, fields[i]+" "+fields[i+1])
		}
		figures = append(figures, f)
	}
	return figures
}
