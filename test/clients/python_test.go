package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// runPython is psycopg2 or psycopg 3, by the name in the brief.
func runPython(t *testing.T, s *stage, b brief) map[string]answer {
	return converse(t, s, b, command(t, python(t), filepath.Join("python", b.Name+"_client.py")))
}

// python finds the interpreter that has both drivers: Debian's packages are its
// own Python's, whatever else stands first on the PATH.
func python(t *testing.T) string {
	t.Helper()
	for _, p := range []string{os.Getenv("PYTHON"), "/usr/bin/python3", "python3"} {
		if p != "" && exec.Command(p, "-c", "import psycopg2, psycopg").Run() == nil {
			return p
		}
	}
	t.Fatal("no python3 has psycopg2 and psycopg: make setup (or apt-get install python3-psycopg2 python3-psycopg, or name one in PYTHON)")
	return ""
}
