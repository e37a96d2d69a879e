// Package naive is a PostgreSQL proxy as many products build one: every client
// shares one privileged login to the store, SET ROLE makes it a lens role, and
// from then on bytes are copied both ways. It is for tests alone.
//
// It is the control group of the bypass suite. A test that shows the gate
// refusing an attack proves something only if the attack works elsewhere: through
// this proxy every bypass must succeed that PostgreSQL does not refuse by itself.
//
// It accepts any password, plaintext and TLS, passes the client's startup
// parameters on (but for user and database), hands out the store's own cancel
// keys and forwards cancel requests unseen. It reads through a buffer that outlives
// the switch to TLS, and may pool connections to the store.
package naive

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Options say where the proxy leads.
type Options struct {
	StoreDSN string   // the shared, privileged login and the database
	Role     string   // set for every client with SET ROLE; "" sets none
	Setup    []string // statements run after that, such as SET search_path
	Pool     bool     // a client that says goodbye leaves its connection to the next one, as it is
}

// Proxy is a running proxy.
type Proxy struct {
	Addr string // host:port on loopback

	opts   Options
	tls    *tls.Config
	listen net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex
	open   map[net.Conn]bool // nil once closed
	idle   []*pgconn.HijackedConn
}

// Start runs a proxy until the end of the test.
func Start(tb testing.TB, o Options) *Proxy {
	tb.Helper()
	cert, err := selfSigned()
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{
		Addr: l.Addr().String(), opts: o, listen: l, open: map[net.Conn]bool{},
		tls: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"postgresql"}},
	}
	p.wg.Add(1)
	go p.accept()
	tb.Cleanup(p.close)
	return p
}

// DSN connects through the proxy; user and password are as good as any.
func (p *Proxy) DSN(sslmode string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("shared", "anything"), Host: p.Addr, Path: "/any", RawQuery: "sslmode=" + sslmode}
	return u.String()
}

func (p *Proxy) close() {
	p.listen.Close()
	p.mu.Lock()
	for c := range p.open {
		c.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.wg.Wait()
}

// track makes close reach a connection; it is false after close.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		c.Close()
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	c.Close()
}

func (p *Proxy) accept() {
	defer p.wg.Done()
	for {
		c, err := p.listen.Accept()
		if err != nil {
			return
		}
		if !p.track(c) {
			return
		}
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			defer p.drop(c)
			p.serve(c)
		}()
	}
}

// Codes in place of a protocol version (PostgreSQL documentation, "Message
// Formats").
const (
	codeCancel = 80877102
	codeTLS    = 80877103
	codeGSS    = 80877104
)

// serve leads one client; what goes wrong is told to the client, where there is
// a message for it, and otherwise ends the connection.
func (p *Proxy) serve(client net.Conn) {
	in := buffered(client)
	for {
		packet, err := startupPacket(in)
		if err != nil {
			return
		}
		switch code := binary.BigEndian.Uint32(packet); code {
		case codeTLS:
			client.Write([]byte("S"))
			client = &secured{Conn: tls.Server(in.Conn, p.tls), early: in.Reader}
			in = buffered(client)
		case codeGSS:
			client.Write([]byte("N"))
		case codeCancel:
			p.cancel(packet)
			return
		default:
			p.session(in, code, packet[4:])
			return
		}
	}
}

// reading is a connection that is read through a buffer.
type reading struct {
	net.Conn
	*bufio.Reader
}

func buffered(c net.Conn) *reading { return &reading{c, bufio.NewReader(c)} }

func (r *reading) Read(b []byte) (int, error) { return r.Reader.Read(b) }

// secured is TLS over a connection of which more had been read than the request for
// TLS: those bytes, which came in the clear, are taken for the client's own
// (CVE-2021-23214).
type secured struct {
	net.Conn
	early *bufio.Reader
}

func (s *secured) Read(b []byte) (int, error) {
	if n := s.early.Buffered(); n > 0 {
		return s.early.Read(b[:min(n, len(b))])
	}
	return s.Conn.Read(b)
}

// startupPacket reads one, without its length.
func startupPacket(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 8 || n > 10_000 { // PostgreSQL's own limit
		return nil, fmt.Errorf("startup packet of %d bytes", n)
	}
	b := make([]byte, n-4)
	_, err := io.ReadFull(r, b)
	return b, err
}

// skipPassword reads the message with the password and not a byte more, for what
// a client sends behind it belongs to the store.
func skipPassword(r io.Reader) error {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] != 'p' || n < 4 || n > 10_000 {
		return fmt.Errorf("message %q of %d bytes in place of a password", head[0], n)
	}
	_, err := io.CopyN(io.Discard, r, int64(n-4))
	return err
}

// cancel passes a cancel request on, whoever it is from.
func (p *Proxy) cancel(packet []byte) {
	cfg, err := pgconn.ParseConfig(p.opts.StoreDSN)
	if err != nil {
		return
	}
	network, addr := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	store, err := net.Dial(network, addr)
	if err != nil {
		return
	}
	defer store.Close()
	store.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet)+4)), packet...))
	io.Copy(io.Discard, store) // the store closes when it has dealt with it
}

func (p *Proxy) session(client net.Conn, version uint32, params []byte) {
	be := pgproto3.NewBackend(client, client)
	if version != pgproto3.ProtocolVersion30 {
		be.Send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 0x00030000})
	}
	be.Send(&pgproto3.AuthenticationCleartextPassword{})
	if be.Flush() != nil || skipPassword(client) != nil {
		return
	}
	store, err := p.connect(params)
	if err != nil {
		tell(be, err)
		return
	}
	if !p.track(store.Conn) {
		return
	}
	kept := false
	defer func() {
		if !kept {
			p.drop(store.Conn)
		}
	}()
	be.Send(&pgproto3.AuthenticationOk{})
	names := make([]string, 0, len(store.ParameterStatuses))
	for name := range store.ParameterStatuses {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		be.Send(&pgproto3.ParameterStatus{Name: name, Value: store.ParameterStatuses[name]})
	}
	be.Send(&pgproto3.BackendKeyData{ProcessID: store.PID, SecretKey: store.SecretKey})
	be.Send(&pgproto3.ReadyForQuery{TxStatus: store.TxStatus})
	if be.Flush() != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.Copy(client, store.Conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			client.Close()
		}
	}()
	if p.opts.Pool {
		kept = untilGoodbye(store.Conn, client) && store.Conn.SetReadDeadline(time.Now()) == nil
	} else {
		io.Copy(store.Conn, client)
	}
	if !kept {
		store.Conn.Close()
	}
	<-done
	if kept {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle = append(p.idle, store)
	}
}

// untilGoodbye copies messages up to a Terminate, which it keeps; false when the
// connection ended without one.
func untilGoodbye(store io.Writer, client io.Reader) bool {
	var head [5]byte
	for {
		if _, err := io.ReadFull(client, head[:]); err != nil {
			return false
		}
		if head[0] == 'X' {
			return true
		}
		if _, err := store.Write(head[:]); err != nil {
			return false
		}
		if _, err := io.CopyN(store, client, int64(int32(binary.BigEndian.Uint32(head[1:])))-4); err != nil {
			return false
		}
	}
}

// pooled gives a connection that another client left.
func (p *Proxy) pooled() *pgconn.HijackedConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[0]
	p.idle = p.idle[1:]
	c.Conn.SetReadDeadline(time.Time{})
	return c
}

// connect logs in with the shared account, the client's parameters and the role.
func (p *Proxy) connect(params []byte) (*pgconn.HijackedConn, error) {
	if c := p.pooled(); c != nil {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cfg, err := pgconn.ParseConfig(p.opts.StoreDSN)
	if err != nil {
		return nil, err
	}
	cfg.MaxProtocolVersion = "3.0" // keys of four bytes, which every client knows
	kv := strings.Split(strings.TrimRight(string(params), "\x00"), "\x00")
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i] != "user" && kv[i] != "database" && !strings.HasPrefix(kv[i], "_pq_.") {
			cfg.RuntimeParams[kv[i]] = kv[i+1]
		}
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var setup []string
	if p.opts.Role != "" {
		setup = append(setup, "SET ROLE "+pgx.Identifier{p.opts.Role}.Sanitize())
	}
	for _, sql := range append(setup, p.opts.Setup...) {
		if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
			conn.Close(ctx)
			return nil, err
		}
	}
	return conn.Hijack()
}

// tell passes the store's refusal on, so that a test sees PostgreSQL's own reason.
func tell(be *pgproto3.Backend, err error) {
	resp := &pgproto3.ErrorResponse{Severity: "FATAL", Code: "08001", Message: err.Error()}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		resp.Code, resp.Message, resp.Detail, resp.Hint = pe.Code, pe.Message, pe.Detail, pe.Hint
	}
	be.Send(resp)
	be.Flush()
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
