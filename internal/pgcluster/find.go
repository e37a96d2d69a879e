package pgcluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// MinMajor is the oldest major version Trefoil runs on.
const MinMajor = 15

// places are where packages put the server, for it is rarely on the PATH.
func places() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu, PGDG for both
		"/usr/pgsql-*/bin",                   // PGDG for Red Hat, Fedora, SUSE
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on arm64
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on amd64
		"/opt/local/lib/postgresql*/bin",     // MacPorts
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
}

// Find returns the directory of the PostgreSQL programs and their major version:
// those on the PATH when they are recent enough, otherwise the newest that is
// installed. The error names the command that installs one.
func Find() (bin string, major int, err error) {
	return find(filepath.SplitList(os.Getenv("PATH")), places())
}

func find(path, globs []string) (bin string, major int, err error) {
	tooOld := 0
	consider := func(dir string) int {
		v := version(dir)
		if v < MinMajor {
			tooOld = max(tooOld, v)
			return 0
		}
		return v
	}
	for _, dir := range path {
		if v := consider(dir); v > 0 {
			return dir, v, nil
		}
	}
	for _, g := range globs {
		dirs, _ := filepath.Glob(g) // the one error is a bad pattern, and ours are constant
		for _, dir := range dirs {
			if v := consider(dir); v > major {
				bin, major = dir, v
			}
		}
	}
	switch {
	case major > 0:
		return bin, major, nil
	case tooOld > 0:
		return "", 0, fmt.Errorf("PostgreSQL %d is installed, trefoil needs %d or later; %s", tooOld, MinMajor, installHint())
	}
	return "", 0, fmt.Errorf("PostgreSQL %d or later is not installed; %s", MinMajor, installHint())
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version is the major version of the server in dir, or 0 when dir has not all
// that a cluster needs.
func version(dir string) int {
	for _, name := range []string{"postgres", "initdb", "psql"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.IsDir() {
			return 0
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return 0
	}
	v, _ := strconv.Atoi(string(m[1]))
	return v
}

// installHint names the command for the system at hand.
func installHint() string {
	if runtime.GOOS == "darwin" {
		return "install it with: brew install postgresql@17"
	}
	if isDebian() {
		return "install it with: apt-get install postgresql-15 (or any later postgresql-NN; " + pgdgHint + ")"
	}
	if _, err := os.Stat("/etc/redhat-release"); err == nil {
		return "install it with: dnf install postgresql-server"
	}
	return "install it with the system's packages: postgresql-15 or later, server and client"
}

const pgdgHint = "older systems: apt-get install postgresql-common && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y"

func isDebian() bool {
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return false
	}
	_, err := exec.LookPath("apt-get")
	return err == nil
}

// cleanEnv is a server's environment: nothing of the caller's locale, PG*
// variables or secrets.
func cleanEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "TMPDIR=") || strings.HasPrefix(kv, "LD_LIBRARY_PATH=") || strings.HasPrefix(kv, "DYLD_") {
			env = append(env, kv)
		}
	}
	return env
}
