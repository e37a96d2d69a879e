//go:build pagila

package pagila

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// The commands of the example's README, as a reader would type them.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../examples/pagila/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(text), "\n```sh\n")
	script, _, closed := strings.Cut(script, "```")
	if !found || !closed {
		t.Fatal("the README has no commands")
	}
	c, home := pgtest.New(t), t.TempDir()
	ssh := filepath.Join(home, ".ssh")
	if err := os.Mkdir(ssh, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(ssh, "id_ed25519")).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	// The reader's editor says where the store is, and takes free ports.
	editor := filepath.Join(home, "editor")
	edit := fmt.Sprintf(`#!/bin/sh
sed -i 's|^stores: {}|stores: {dublin-1: {connect: "host=127.0.0.1 port=%d dbname=pagila user=trefoil_gate sslmode=disable", password_file: keys/dublin-1.password}}|; s|127.0.0.1:643[23]|127.0.0.1:0|' "$1"
`, c.Port)
	if err := os.WriteFile(editor, []byte(edit), 0o755); err != nil {
		t.Fatal(err)
	}
	caches, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache := strings.Fields(string(caches))
	script = strings.ReplaceAll(script, "myzone", filepath.Join(home, "myzone"))
	script = strings.ReplaceAll(script, "bin/trefoil serve &", "bin/trefoil serve & serve=$!; trap 'kill $serve; wait $serve' EXIT")
	cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", script)
	cmd.Dir = "../.."
	cmd.Env = append(append(os.Environ(), c.Env("postgres")...), "PATH="+c.Bin+":"+os.Getenv("PATH"), "HOME="+home, "EDITOR="+editor,
		"DATA="+os.Getenv("TREFOIL_TEST_DATA"), "GOCACHE="+cache[0], "GOMODCACHE="+cache[1])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"rewards_report(", "runs with its owner's rights", "dublin-1 is fenced; pagila_staff has the lenses", "grant g-", "masked/case of pagila"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in what the commands print:\n%s", want, out)
		}
	}
}
