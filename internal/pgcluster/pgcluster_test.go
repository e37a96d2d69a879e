package pgcluster

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// openDir is a directory that the server's user may enter, which tb.TempDir is
// not when the test runs as root.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func one(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var s string
	if err := conn.QueryRow(context.Background(), sql).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDataAndPasswordOutliveAStop(t *testing.T) {
	ctx := context.Background()
	o := Options{Dir: filepath.Join(openDir(t), "pg"), Host: "127.0.0.2", Settings: map[string]string{"fsync": "off", "work_mem": "7MB"}}
	c, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if got := one(t, c.DSN("postgres"), "show work_mem"); got != "7MB" {
		t.Errorf("work_mem %s, want the setting asked for", got)
	}
	if out, err := psql(c, "create table kept as select 1"); err != nil {
		t.Fatal(out, err)
	}

	// The same directory cannot be started twice.
	if _, err := Start(ctx, o); err == nil || !strings.Contains(err.Error(), "another server runs in this directory") {
		t.Errorf("second start: %v", err)
	}

	out, err := psql(c, "select 'by '||session_user")
	if err != nil || out != "by postgres" {
		t.Errorf("psql with Env: %q, %v", out, err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.proc.done:
	default:
		t.Error("the process has not ended after Stop")
	}

	c2, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c2.Stop()
	if got := one(t, c2.DSN("postgres"), "select count(*)::text from kept"); got != "1" {
		t.Errorf("kept holds %s rows after a restart", got)
	}
	wrong := strings.Replace(c2.DSN("postgres"), c2.password, "wrong", 1)
	if conn, err := pgx.Connect(ctx, wrong); err == nil {
		conn.Close(ctx)
		t.Error("a wrong password was accepted")
	}
	st, err := os.Stat(filepath.Join(c2.Dir, "superuser"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("password file: %v, %v", st.Mode(), err)
	}
}

func psql(c *Cluster, sql string) (string, error) {
	cmd := exec.Command(filepath.Join(c.Bin, "psql"), "-XAtc", sql)
	cmd.Env = append(os.Environ(), c.Env("postgres")...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	if _, err := Start(ctx, Options{Dir: openDir(t), Host: "0.0.0.0"}); err == nil || !strings.Contains(err.Error(), "loopback only") {
		t.Errorf("public address: %v", err)
	}
	home := openDir(t)
	if err := os.WriteFile(filepath.Join(home, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(ctx, Options{Dir: home}); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("foreign directory: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Start(ctx, Options{Dir: openDir(t), Port: l.Addr().(*net.TCPAddr).Port, Settings: map[string]string{"fsync": "off"}})
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("taken port: %v", err)
	}
	_, err = Start(ctx, Options{Dir: openDir(t), Settings: map[string]string{"fsync": "off", "no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("the server's own reason is missing: %v", err)
	}
}

func TestFindPrefersThePathAndSkipsOldVersions(t *testing.T) {
	root := t.TempDir()
	fake := func(dir, version string) string {
		dir = filepath.Join(root, dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"postgres", "initdb", "psql"} {
			script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	old, v15, v9, v17 := fake("old", "13.4"), fake("lib/15/bin", "15.14"), fake("lib/9/bin", "9.6.1"), fake("lib/17/bin", "17beta1")
	globs := []string{filepath.Join(root, "lib/*/bin")}
	if bin, major, err := find([]string{old}, globs); bin != v17 || major != 17 || err != nil {
		t.Errorf("newest of the packages: %s, %d, %v", bin, major, err)
	}
	if bin, major, err := find([]string{v9, v15}, globs); bin != v15 || major != 15 || err != nil {
		t.Errorf("on the path: %s, %d, %v", bin, major, err)
	}
	if _, _, err := find([]string{old}, nil); err == nil || !strings.Contains(err.Error(), "PostgreSQL 13 is installed") || !strings.Contains(err.Error(), "install") {
		t.Errorf("too old: %v", err)
	}
	if _, _, err := find(nil, nil); err == nil || !strings.Contains(err.Error(), "not installed; install it with") {
		t.Errorf("absent: %v", err)
	}
}

func TestQuietDebianKeepsWhatIsThere(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "etc", "createcluster.conf")
	var w bytes.Buffer
	if err := quietDebian(conf, &w); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(conf)
	if err != nil || !strings.Contains(string(b), "\ncreate_main_cluster = false\n") {
		t.Fatalf("%q, %v", b, err)
	}
	if err := os.WriteFile(conf, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := quietDebian(conf, &w); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(conf); string(b) != "mine" {
		t.Errorf("the machine's own file was replaced by %q", b)
	}
}
