// Package readme runs what a README says as its reader would type it. Used by
// tests only.
package readme

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/pgcluster"
)

// Commands gives the first sh block of a Markdown file that stands below a heading;
// without one, the file's first.
func Commands(tb testing.TB, path, heading string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	below, ok := string(text), true
	if heading != "" {
		_, below, ok = strings.Cut(below, "\n## "+heading+"\n")
	}
	_, block, found := strings.Cut(below, "\n```sh\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !found || !closed {
		tb.Fatalf("%s has no commands below %q", path, heading)
	}
	return block
}

// Type runs commands in dir and gives what they print.
func Type(tb testing.TB, dir, script string, env ...string) string {
	tb.Helper()
	cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// FirstZone types commands that make and serve a zone, myzone, before a database of a
// store. The reader has a home with an SSH key, and an editor that says where the
// store is and takes free ports.
func FirstZone(tb testing.TB, dir, script string, store *pgcluster.Cluster, database string, env ...string) string {
	tb.Helper()
	home := tb.TempDir()
	// go's own caches stay where they are although HOME is another.
	cache := strings.Fields(Type(tb, dir, "go env GOCACHE GOMODCACHE"))
	Type(tb, home, "mkdir .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")
	editor := filepath.Join(home, "editor")
	edit := fmt.Sprintf(`#!/bin/sh
sed -i 's|^stores: {}|stores: {dublin-1: {connect: "host=127.0.0.1 port=%d dbname=%s user=trefoil_gate sslmode=disable", password_file: keys/dublin-1.password}}|; s|127.0.0.1:643[23]|127.0.0.1:0|' "$1"
`, store.Port, database)
	if err := os.WriteFile(editor, []byte(edit), 0o755); err != nil {
		tb.Fatal(err)
	}
	typed := strings.NewReplacer("myzone", filepath.Join(home, "myzone"), "bin/trefoil serve &", "bin/trefoil serve & serve=$!; trap 'kill $serve; wait $serve' EXIT")
	env = append(env, "PATH="+store.Bin+":"+os.Getenv("PATH"), "HOME="+home, "EDITOR="+editor, "GOCACHE="+cache[0], "GOMODCACHE="+cache[1])
	return Type(tb, dir, typed.Replace(script), env...)
}
