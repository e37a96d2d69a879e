// Package testbin gives tests the program itself: built once per test process as
// it ships, run as an operator runs it, and killed as a power cut would.
//
//	var trefoil string
//
//	func TestMain(m *testing.M) { os.Exit(testbin.Main(m, &trefoil)) }
package testbin

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Main builds cmd/trefoil, puts its path into program, runs a package's tests
// and removes it. It needs the go command that runs the tests.
func Main(m *testing.M, program *string) int {
	dir, err := os.MkdirTemp("", "testbin")
	if err == nil {
		defer os.RemoveAll(dir)
		*program, err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build is `make build` without the names of files, which tests have no use for.
func build(dir string) (string, error) {
	program := filepath.Join(dir, "trefoil")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, "github.com/trefoil-dev/trefoil/cmd/trefoil")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cmd/trefoil: %w\n%s", err, out)
	}
	return program, nil
}

// Run is one command to its end: its exit code and what it said. It fails the
// test when the command can't be run or is ended by a signal.
func Run(tb testing.TB, program string, args ...string) (code int, stdout, stderr string) {
	tb.Helper()
	return Finish(tb, exec.Command(program, args...))
}

// Finish is Run for a command that needs more than arguments.
func Finish(tb testing.TB, cmd *exec.Cmd) (code int, stdout, stderr string) {
	tb.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code < 0 {
		tb.Fatalf("%s: %s\n%s", strings.Join(cmd.Args, " "), cmd.ProcessState, errs.String())
	}
	return code, out.String(), errs.String()
}

// FreeAddr gives an address of this machine that nobody listens on. Its port is
// below those that the system gives to outgoing connections, so that a program
// that is started again finds it free again.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 15_000+rand.IntN(15_000))
		if ln, err := net.Listen("tcp", addr); err == nil {
			ln.Close()
			return addr
		}
	}
	tb.Fatal("no free port between 15000 and 30000")
	return ""
}
