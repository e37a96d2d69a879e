package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// bouncer is a PgBouncer of our own, with a configuration of our own.
type bouncer struct {
	endpoint
	cmd *exec.Cmd
}

const bouncerIni = `[databases]
%[1]s = host=%[2]s port=%[3]d dbname=%[1]s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[4]d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users.txt
pool_mode = session
max_client_conn = 200
default_pool_size = 100
client_tls_sslmode = require
client_tls_cert_file = bouncer.crt
client_tls_key_file = bouncer.key
log_connections = 0
log_disconnections = 0
`

func startPgBouncer(ctx context.Context, dir string, s *store) (*bouncer, error) {
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		bin = "/usr/sbin/pgbouncer" // where Debian puts it, off an ordinary user's PATH
		if _, err := os.Stat(bin); err != nil {
			return nil, errors.New("pgbouncer is not installed; install it with: make setup")
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cert, key, err := writeCertificate(dir, "bouncer")
	if err != nil {
		return nil, err
	}
	ini, users := filepath.Join(dir, "bench.ini"), filepath.Join(dir, "users.txt")
	err = errors.Join(
		os.WriteFile(ini, fmt.Appendf(nil, bouncerIni, database, s.Host, s.Port, port), 0o600),
		// In clear: PgBouncer needs it to log in to the store with SCRAM.
		os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", benchUsr, s.password), 0o600))
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.Dir, "data")
	if err := chownLike(data, dir, cert, key, ini, users); err != nil {
		return nil, err
	}
	uid, gid, err := owner(data)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "bench.ini")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting PgBouncer: %w", err)
	}
	b := &bouncer{cmd: cmd}
	var said strings.Builder
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), "process up") {
			go func() { // the log must be read, or PgBouncer waits
				for lines.Scan() {
				}
			}()
			b.endpoint = s.endpoint("pgbouncer", "require")
			b.host, b.port = "127.0.0.1", port
			b.pid = cmd.Process.Pid
			return b, nil
		}
	}
	b.stop()
	return nil, fmt.Errorf("PgBouncer did not start:\n%s", said.String())
}

func (b *bouncer) stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	_ = b.cmd.Wait() // it always says that it was killed
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
