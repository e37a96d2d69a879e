package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// runNode is node-postgres, at the version that node/package-lock.json pins.
func runNode(t *testing.T, s *stage, b brief) map[string]answer {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing: make setup (or apt-get install nodejs npm)")
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules", "pg")); err != nil {
		t.Fatal("node-postgres is missing: make setup (or npm ci in test/clients/node)")
	}
	return converse(t, s, b, command(t, node, filepath.Join("node", "client.mjs")))
}
