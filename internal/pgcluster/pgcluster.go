// Package pgcluster finds a PostgreSQL on this machine and runs one as a child
// process: on loopback, in one directory, ended when its parent ends.
//
// The demo builds its two stores with it, and tests reach it through pgtest. It
// is not a way to run a store in production: there the operator's own tools do.
//
// A cluster's directory holds
//
//	data/        what initdb made (PGDATA)
//	server.log   the server's log
//	superuser    the password of role postgres, 0600
//
// and the server's unix socket while it runs. Whoever reads the file superuser
// is superuser of that store. PostgreSQL refuses to run as root, so a process
// that is root starts it as the user postgres.
package pgcluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Options say where a cluster lives and how it listens.
type Options struct {
	Dir      string            // absolute or relative; made when absent, initialised when empty
	Host     string            // loopback address to listen on; "" is 127.0.0.1
	Port     int               // 0 takes a free port
	Settings map[string]string // server settings by name, over those of postgresql.conf
}

// Cluster is a running PostgreSQL server.
type Cluster struct {
	Host  string // loopback address
	Port  int
	Dir   string // absolute; also the directory of the unix socket
	Bin   string // directory of psql, pgbench and their siblings
	Major int    // major version, 15 or later

	password string
	proc     *process
}

const (
	superuser   = "postgres"
	bindRetries = 5
	stopFast    = 15 * time.Second // for sessions to end and the last checkpoint
	stopNow     = 5 * time.Second
)

// Start initialises Dir when it is empty, starts a server in it and returns once
// that accepts connections. ctx bounds the start alone; the server then runs
// until Stop or until this process ends. Errors say what to do about them and
// quote the server's log.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if ip := net.ParseIP(o.Host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("pgcluster listens on loopback only, not on %q", o.Host)
	}
	bin, major, err := Find()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil || o.Dir == "" {
		return nil, fmt.Errorf("a cluster needs a directory: %q", o.Dir)
	}
	c := &Cluster{Host: o.Host, Dir: dir, Bin: bin, Major: major}
	owner, err := serverUser()
	if err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, owner, o.Settings); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		c.Port = o.Port
		if c.Port == 0 {
			if c.Port, err = freePort(c.Host); err != nil {
				return nil, err
			}
		}
		c.proc, err = startServer(ctx, c, owner, o.Settings)
		if err == nil {
			return c, nil
		}
		// Between choosing a port and the server's bind another process may take it.
		if o.Port != 0 || try == bindRetries || !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
}

// DSN is a connection string of the superuser over TCP. It holds the password:
// give it to a library, never to a command line.
func (c *Cluster) DSN(db string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, c.password),
		Host:     net.JoinHostPort(c.Host, strconv.Itoa(c.Port)),
		Path:     "/" + db,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Env is the environment in which psql, pgbench and pg_dump reach db as the
// superuser, to be appended to os.Environ.
func (c *Cluster) Env(db string) []string {
	return []string{
		"PGHOST=" + c.Host, "PGPORT=" + strconv.Itoa(c.Port), "PGUSER=" + superuser,
		"PGPASSWORD=" + c.password, "PGDATABASE=" + db, "PGSSLMODE=disable",
	}
}

// Log is the path of the server's log.
func (c *Cluster) Log() string { return filepath.Join(c.Dir, "server.log") }

// Stop ends the server: a fast shutdown (sessions are cut, data is flushed),
// then an immediate one (the next start recovers from the write-ahead log), then
// a kill. It returns an error when the server did not end cleanly; a second call
// does nothing.
func (c *Cluster) Stop() error {
	return c.proc.stop()
}

// prepare makes the directory and, when it has no data yet, runs initdb.
func (c *Cluster) prepare(ctx context.Context, owner *account, settings map[string]string) error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("making the cluster's directory: %w", err)
	}
	if err := owner.canEnter(filepath.Dir(c.Dir)); err != nil {
		return err
	}
	data, pwFile := filepath.Join(c.Dir, "data"), filepath.Join(c.Dir, "superuser")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		pw, err := os.ReadFile(pwFile)
		if err != nil {
			return fmt.Errorf("%s holds a cluster without its password: %w", c.Dir, err)
		}
		c.password = string(bytes.TrimSpace(pw))
		return checkMajor(data, c.Major)
	}
	if err := onlyOurs(c.Dir); err != nil {
		return err
	}
	if err := errors.Join(owner.own(c.Dir), os.Chmod(c.Dir, 0o700)); err != nil {
		return err
	}
	var secret [24]byte
	rand.Read(secret[:])
	c.password = hex.EncodeToString(secret[:])
	if err := os.WriteFile(pwFile, []byte(c.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("keeping the superuser's password: %w", err)
	}
	if err := owner.own(pwFile); err != nil { // initdb reads it
		return err
	}
	// Made beside and renamed, so that data is complete whenever it exists.
	fresh := data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := initdb(ctx, c, owner, pwFile, fresh, settings["fsync"] == "off"); err != nil {
		return err
	}
	hba := []byte("# Written by trefoil: passwords everywhere, loopback only.\n" +
		"local all all scram-sha-256\n" +
		"host all all 127.0.0.0/8 scram-sha-256\n" +
		"host all all ::1/128 scram-sha-256\n")
	if err := os.WriteFile(filepath.Join(fresh, "pg_hba.conf"), hba, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, data)
}

// onlyOurs refuses a directory with anything but what an interrupted start left:
// a mistyped path must not be handed to the server's user.
func onlyOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "data.new" && e.Name() != "superuser" {
			return fmt.Errorf("%s is neither empty nor a cluster (it holds %s): choose another directory", dir, e.Name())
		}
	}
	return nil
}

func checkMajor(data string, major int) error {
	v, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return err
	}
	if got := string(bytes.TrimSpace(v)); got != strconv.Itoa(major) {
		return fmt.Errorf("%s was made by PostgreSQL %s, the one found here is %d: install version %s or remove the directory", data, got, major, got)
	}
	return nil
}

func freePort(host string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("no port to listen on at %s: %w", host, err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tail gives the last bytes of a file, for error messages.
func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > n {
		if _, err := f.Seek(-n, io.SeekEnd); err != nil {
			return ""
		}
	}
	b, _ := io.ReadAll(f)
	return string(bytes.TrimSpace(b))
}
