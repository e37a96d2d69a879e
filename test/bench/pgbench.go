package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	tpsLine   = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without initial connection time\)`)
	countLine = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
)

// sampling is the share of transactions whose latency pgbench writes down: all of
// them would cost it a tenth of its own speed.
const sampling = "0.1"

// pgbench runs one `pgbench -S` for some seconds.
func pgbench(ctx context.Context, bin, dir string, e endpoint, mode string, clients, seconds int) (s sample, err error) {
	logs, err := os.MkdirTemp(dir, "log")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(logs)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pgbench"), "-n", "-S", "-M", mode,
		"-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(seconds),
		"--log", "--log-prefix="+filepath.Join(logs, "l"), "--sampling-rate="+sampling)
	cmd.Env, cmd.Dir = e.env(), logs
	before := cpuTime(e.pid)
	out, err := cmd.CombinedOutput()
	spent := cpuTime(e.pid) - before
	if err != nil {
		return s, fmt.Errorf("pgbench -S -M %s -c %d: %w\n%s", mode, clients, err, out)
	}
	m, n := tpsLine.FindSubmatch(out), countLine.FindSubmatch(out)
	if m == nil || n == nil {
		return s, fmt.Errorf("pgbench said nothing of its speed:\n%s", out)
	}
	if s.rate, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
		return s, err
	}
	count, err := strconv.ParseFloat(string(n[1]), 64)
	if err != nil {
		return s, err
	}
	s.cpu = float64(spent.Microseconds()) / count
	names, err := filepath.Glob(filepath.Join(logs, "l.*"))
	if err != nil {
		return s, err
	}
	var took []float64
	for _, name := range names {
		if took, err = readLatencies(name, took); err != nil {
			return s, err
		}
	}
	if len(took) == 0 {
		return s, errors.New("pgbench wrote down no latency")
	}
	slices.Sort(took)
	s.p50, s.p99 = percentile(took, 50), percentile(took, 99)
	return s, nil
}

// cpuTime is the processor time a process has had, to a hundredth of a second,
// from Linux's /proc; 0 elsewhere.
func cpuTime(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ") // a program's name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11]) // utime and stime, proc(5); the kernel writes numbers
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// readLatencies appends the latencies, in µs, of one of pgbench's logs: the third
// field of each line.
func readLatencies(name string, took []float64) ([]float64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			return nil, fmt.Errorf("%s: %q is no line of pgbench's log", name, lines.Text())
		}
		us, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		took = append(took, us)
	}
	return took, lines.Err()
}

// percentile is by nearest rank; sorted is not empty.
func percentile(sorted []float64, p int) float64 {
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
