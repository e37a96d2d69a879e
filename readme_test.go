package trefoil_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// shellBlock gives the first sh block below a heading of the README.
func shellBlock(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, below, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	_, block, found := strings.Cut(below, "\n```sh\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !found || !closed {
		t.Fatalf("README.md has no commands below %q", heading)
	}
	return block
}

// runShell runs commands as a reader would type them.
func runShell(t *testing.T, script string, env ...string) string {
	t.Helper()
	cmd := exec.Command("bash", "-e", "-c", script)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestREADMETryIt(t *testing.T) {
	out := runShell(t, shellBlock(t, "Try it in five minutes"))
	for _, want := range []string{"a***@***", "third-country-law", "approver-outside-hierarchy", "could mean 4 things", "vetted-staff", "is whole", "was altered"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo did not print %q", want)
		}
	}
}

func TestREADMEFirstZone(t *testing.T) {
	c := pgtest.New(t)
	home := t.TempDir()
	ssh := filepath.Join(home, ".ssh")
	if err := os.MkdirAll(ssh, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(ssh, "id_ed25519")).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	// The reader's editor: says where the store is, and takes free ports.
	editor := filepath.Join(home, "editor")
	edit := fmt.Sprintf(`#!/bin/sh
sed -i 's|^stores: {}|stores: {dublin-1: {connect: "host=127.0.0.1 port=%d dbname=clips user=trefoil_gate sslmode=disable", password_file: keys/dublin-1.password}}|; s|127.0.0.1:643[23]|127.0.0.1:0|' "$1"
`, c.Port)
	if err := os.WriteFile(editor, []byte(edit), 0o755); err != nil {
		t.Fatal(err)
	}
	// go's own caches stay where they are although HOME is another.
	cache := strings.Fields(runShell(t, "go env GOCACHE GOMODCACHE"))
	script := shellBlock(t, "Your first zone, dataset and rule")
	script = strings.ReplaceAll(script, "myzone", filepath.Join(home, "myzone"))
	script = strings.ReplaceAll(script, "bin/trefoil serve &", "bin/trefoil serve & serve=$!; trap 'kill $serve; wait $serve' EXIT")
	out := runShell(t, "make build\n"+script, append(c.Env("clips"), "PATH="+c.Bin+":"+os.Getenv("PATH"), "HOME="+home, "EDITOR="+editor, "GOCACHE="+cache[0], "GOMODCACHE="+cache[1])...)
	if !strings.Contains(out, "grant g-") || !strings.Contains(out, "masked/case of clips") {
		t.Errorf("no grant at the end:\n%s", out)
	}
}
