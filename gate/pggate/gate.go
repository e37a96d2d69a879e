package pggate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Config is what a Gate needs. Zero values of the limits mean the default named
// with each.
type Config struct {
	Desk Desk
	// TLS holds the certificate, ECDSA or RSA: drivers cannot bind a channel to an
	// Ed25519 one. ALPN, minimum version and record sizing are set by the gate.
	TLS *tls.Config
	// ClientAuth says what client certificates are for, ClientCAs who issues them; it
	// is asked at each handshake. Without ClientAuth none is asked for.
	ClientAuth ClientAuth
	ClientCAs  func() *x509.CertPool

	MaxSessions      int           // 500; one more is refused with 53300
	MaxPerSource     int           // 64 connections of one address that have not logged in yet
	MaxMessage       int           // 4 MiB; bytes of one client message
	MaxStatement     time.Duration // 4 h for the answer to one message
	HandshakeTimeout time.Duration // 15 s from accept to a finished SCRAM exchange
	OpenTimeout      time.Duration // 30 s for Desk.Open
	Logger           *slog.Logger  // slog.Default()
}

// Gate accepts PostgreSQL clients. Make one with New.
type Gate struct {
	desk       Desk
	tls        *tls.Config
	maxMessage int
	cfg        Config
	logger     *slog.Logger

	chunks sync.Pool // of *[downBuffer]byte
	gather sync.Pool // of *[wireBuffer]byte
	inbox  sync.Pool // of *[inBuffer]byte

	ctx  context.Context // ends when Shutdown gives up waiting
	stop context.CancelFunc
	busy sync.WaitGroup // connections being served

	mu        sync.Mutex
	stopping  bool
	listeners map[net.Listener]bool
	strangers map[netip.Addr]int // connections that have not logged in, by address
	waiting   map[net.Conn]bool  // the same connections
	opening   int                // sessions, and logins that are becoming one
	sessions  map[uint32]*relay  // by the process id given to the client
}

// New makes a gate from its configuration.
func New(cfg Config) (*Gate, error) {
	if cfg.Desk == nil {
		return nil, errors.New("pggate: Desk is required")
	}
	if cfg.TLS == nil || len(cfg.TLS.Certificates) == 0 && cfg.TLS.GetCertificate == nil {
		return nil, errors.New("pggate: a TLS certificate is required")
	}
	if cfg.TLS.GetConfigForClient != nil {
		return nil, errors.New("pggate: GetConfigForClient would hide which certificate a client was shown; use GetCertificate")
	}
	if cfg.ClientAuth != CertIgnored && cfg.ClientCAs == nil {
		return nil, errors.New("pggate: client certificates need ClientCAs")
	}
	cfg.MaxSessions = orDefault(cfg.MaxSessions, 500)
	cfg.MaxPerSource = orDefault(cfg.MaxPerSource, 64)
	cfg.MaxMessage = orDefault(cfg.MaxMessage, 4<<20)
	cfg.MaxStatement = orDefault(cfg.MaxStatement, 4*time.Hour)
	cfg.HandshakeTimeout = orDefault(cfg.HandshakeTimeout, 15*time.Second)
	cfg.OpenTimeout = orDefault(cfg.OpenTimeout, 30*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	g := &Gate{
		desk: cfg.Desk, tls: serverTLS(cfg), maxMessage: cfg.MaxMessage, cfg: cfg, logger: cfg.Logger,
		listeners: map[net.Listener]bool{}, strangers: map[netip.Addr]int{}, waiting: map[net.Conn]bool{}, sessions: map[uint32]*relay{},
	}
	g.chunks.New = func() any { return new([downBuffer]byte) }
	g.inbox.New = func() any { return new([inBuffer]byte) }
	g.gather.New = func() any { return new([wireBuffer]byte) }
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g, nil
}

func orDefault[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// Serve accepts connections until the listener fails, ctx ends or Shutdown is
// called; the latter two give nil. It may be called for several listeners.
func (g *Gate) Serve(ctx context.Context, ln net.Listener) error {
	g.mu.Lock()
	if g.stopping {
		g.mu.Unlock()
		return errors.New("pggate: the gate is shut down")
	}
	g.listeners[ln] = true
	g.mu.Unlock()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	for pause := time.Millisecond; ; {
		conn, err := ln.Accept()
		if err != nil {
			g.mu.Lock()
			over := g.stopping || ctx.Err() != nil
			g.mu.Unlock()
			if over || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Out of descriptors, mostly: wait for some to come back.
			g.logger.Warn("accept failed", "listener", ln.Addr().String(), "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		g.admit(conn)
	}
}

// admit starts serving a connection, or closes it when its source or the gate has
// too many that have not logged in. Nothing is read or answered before that.
func (g *Gate) admit(conn net.Conn) {
	from := remote(conn)
	g.mu.Lock()
	full := g.strangers[from.Addr()] >= g.cfg.MaxPerSource || len(g.waiting) >= 4*g.cfg.MaxPerSource+g.cfg.MaxSessions
	if g.stopping || full {
		g.mu.Unlock()
		_ = conn.Close()
		if full {
			g.desk.Stranger(from, StrangerLimit)
		}
		return
	}
	g.strangers[from.Addr()]++
	g.waiting[conn] = true
	g.busy.Add(1)
	g.mu.Unlock()
	go func() {
		defer g.busy.Done()
		g.serve(conn, from)
	}()
}

// known ends a connection's time as a stranger: it has logged in, or is closed.
func (g *Gate) known(conn net.Conn, from netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.waiting[conn] {
		return
	}
	delete(g.waiting, conn)
	if g.strangers[from.Addr()]--; g.strangers[from.Addr()] <= 0 {
		delete(g.strangers, from.Addr())
	}
}

// Sessions is the number of open sessions.
func (g *Gate) Sessions() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// Shutdown stops accepting, ends every session with 57P01 and waits until all are
// closed and recorded, or ctx ends; then the error is ctx's.
func (g *Gate) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.stopping = true
	for ln := range g.listeners {
		_ = ln.Close()
	}
	for conn := range g.waiting {
		_ = conn.Close()
	}
	open := make([]*relay, 0, len(g.sessions))
	for _, r := range g.sessions {
		open = append(open, r)
	}
	g.mu.Unlock()
	g.stop()
	for _, r := range open {
		r.end(errStopping())
	}
	done := make(chan struct{})
	go func() { g.busy.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func errStopping() *fault.Error {
	return fault.New(fault.Stopping, "the gate is shutting down").WithHint("connect again in a moment")
}

// remote is the peer's address; IPv4 in IPv6 is unwrapped.
func remote(c net.Conn) netip.AddrPort {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
