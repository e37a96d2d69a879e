package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/gate"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/index"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/lens"
	"github.com/trefoil-dev/trefoil/record"
)

// Version is the release; the build stamps nothing, so that it is reproducible.
const Version = "0.1.0"

// Lenses are those this release can serve.
func Lenses() []string { return lens.Names() }

// Deps are what an instance is given from outside.
type Deps struct {
	Clock   func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: silent
	NoFsync bool             // benchmarks only; the start entry says so
}

// App is one instance.
type App struct {
	cfg      *Config
	log      *slog.Logger
	clock    func() time.Time
	ledger   *ledger.Log
	register *access.Register
	gate     *gate.Gate
	pg       *pggate.Gate
	index    *index.Index
	api      *api.API
	cert     atomic.Pointer[tls.Certificate]
	issuers  atomic.Pointer[x509.CertPool] // of client certificates; nil: none are asked for
	stores   map[string]*gate.PGStore

	listeners []net.Listener
	servers   []*http.Server
	cancel    context.CancelFunc
	running   sync.WaitGroup
	failed    chan error
}

// New opens the log, folds it, and prepares everything without listening yet.
// It records the start, which closes what an earlier run left open.
func New(cfg *Config, deps Deps) (_ *App, err error) {
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{cfg: cfg, log: deps.Logger, clock: deps.Clock, stores: make(map[string]*gate.PGStore), failed: make(chan error, 8)}
	opt, err := cfg.ledgerOptions()
	if err != nil {
		return nil, err
	}
	opt.Clock, opt.Logger, opt.NoFsync = deps.Clock, deps.Logger, deps.NoFsync
	seed, err := readSeed(cfg.Path(cfg.Keys.Seed))
	if err != nil {
		return nil, err
	}
	if err := a.Reload(); err != nil {
		return nil, err
	}
	if a.ledger, err = ledger.Open(opt); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = a.closeFiles() // the first failure is the one to report
		}
	}()
	state, left, err := fold(a.ledger)
	if err != nil {
		return nil, err
	}
	if state.Rules != nil {
		a.ledger.SetRules(state.Rules.Digest)
	}
	stores := make(map[string]gate.Store)
	for name, s := range cfg.Stores {
		password, err := readSecret(cfg.Path(s.PasswordFile))
		if err != nil {
			return nil, err
		}
		if a.stores[name], err = gate.NewPGStore(cfg.Gate, name, s.Connect, password, cfg.Limits.PerService, deps.Clock); err != nil {
			return nil, err
		}
		stores[name] = a.stores[name]
	}
	a.register = access.NewRegister(a.ledger, deps.Clock, state, Lenses(), func(s *access.State) { a.gate.Recheck(s) })
	if err := a.register.UseDatabase(cfg.database); err != nil {
		return nil, err
	}
	a.gate = gate.New(gate.Config{Register: a.register, Log: a.ledger, Read: a.ledger.Read, Stores: stores,
		Seed: gate.Seed(seed), Clock: deps.Clock, Logger: deps.Logger})
	a.register.UseKeys(a.gate.Keys)
	a.pg, err = pggate.New(pggate.Config{Desk: a.gate, MaxSessions: cfg.Limits.Sessions,
		MaxPerSource: cfg.Limits.PerSource, MaxStatement: cfg.Limits.Statement, Logger: deps.Logger, TLS: a.tlsConfig(),
		ClientAuth: clientAuth[cfg.TLS.ClientAuth], ClientCAs: a.issuers.Load})
	if err != nil {
		return nil, err
	}
	a.index = index.New(index.Options{Path: filepath.Join(opt.Dir, "index.db"), Log: a.ledger, Key: indexKey(opt.Master), Logger: deps.Logger})
	a.api = api.New(api.Config{Register: a.register, Log: a.ledger, Index: a.index, Secret: gate.Seed(seed).Secret, Reach: a.gate.Reach, Clock: deps.Clock,
		Zone: cfg.Zone, Logger: deps.Logger, Sessions: a.pg.Sessions, Postgres: cfg.Listen.Postgres, Fatal: a.fail})
	return a, a.recordStart(left, !deps.NoFsync)
}

func (a *App) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.cert.Load(), nil }}
}

// Reload reads the TLS certificate, its key and client_ca again, all or none.
// Nothing else changes without a restart.
func (a *App) Reload() error {
	cert, err := a.cfg.certificate(a.clock())
	if err != nil {
		return err
	}
	issuers, err := a.cfg.issuers()
	if err != nil {
		return err
	}
	a.cert.Store(cert)
	a.issuers.Store(issuers)
	return nil
}

func (a *App) recordStart(left interrupted, fsync bool) error {
	body := record.Start{Version: Version, Lease: a.cfg.Lease, Fsync: fsync}
	left.fill(&body)
	var err error
	if body.Binary, err = digestOfSelf(); err != nil {
		return err
	}
	return a.recordOwn(record.KindStart, body)
}

func (a *App) recordOwn(kind record.Kind, body any) error {
	var d record.Draft
	d.Reset(kind, record.None, "")
	if err := d.AddJSON(record.PartDecision, body); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ref, err := a.ledger.Append(&d)
	if err == nil {
		err = a.ledger.Wait(ctx, ref.Seq)
	}
	return err
}

// digestOfSelf is the SHA-256 of the running file.
func digestOfSelf() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// Start listens. Errors after that come from Wait.
func (a *App) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	for _, addr := range a.cfg.Listen.Postgres {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return fault.New(fault.BadInput, "listen.postgres: %s", err)
		}
		a.listeners = append(a.listeners, ln)
		a.run(func() error { return a.pg.Serve(ctx, ln) })
	}
	if err := a.serveAPI(); err != nil {
		return err
	}
	a.run(func() error { a.gate.Run(ctx); return nil })
	a.run(func() error { a.index.Run(ctx); return nil })
	a.run(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-a.ledger.Failed():
			a.gate.EndAll("error", fault.New(fault.NotRecorded, "the log can't be written; nothing is served"))
			return fmt.Errorf("the log has halted: %w", a.ledger.Err())
		}
	})
	return nil
}

func (a *App) serveAPI() error {
	path := a.cfg.Socket()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// The lock on data_dir is ours, so a socket left there is a dead one's.
	old := umask(0o177)
	ln, err := net.Listen("unix", path)
	umask(old)
	if err != nil {
		return fault.New(fault.BadInput, "listen.socket: %s", err)
	}
	a.serveHTTP(ln, a.api.Operator())
	if a.cfg.Listen.API == "" {
		return nil
	}
	ln, err = net.Listen("tcp", a.cfg.Listen.API)
	if err != nil {
		return fault.New(fault.BadInput, "listen.api: %s", err)
	}
	a.serveHTTP(tls.NewListener(ln, a.tlsConfig()), a.api.Staff())
	return nil
}

func (a *App) serveHTTP(ln net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), ConnContext: api.WithPeer}
	a.servers = append(a.servers, srv)
	a.run(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

func (a *App) run(f func() error) {
	a.running.Go(func() {
		if err := f(); err != nil {
			a.fail(err)
		}
	})
}

// fail ends every session and has the instance stopped.
func (a *App) fail(err error) {
	a.gate.EndAll("error", fault.New(fault.Stopping, "the gate is stopping"))
	select {
	case a.failed <- err:
	default: // somebody else has said so
	}
}

// Failed gives the error that ends the instance; the caller then stops it.
func (a *App) Failed() <-chan error { return a.failed }

// Stop ends the instance in order: no new sessions, the open ones end with
// 57P01, the stop is recorded, everything recorded is published.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	for _, srv := range a.servers {
		errs = append(errs, srv.Shutdown(ctx))
	}
	a.gate.EndAll("stop", fault.New(fault.Stopping, "the gate is stopping").WithHint("connect again in a moment"))
	errs = append(errs, a.pg.Shutdown(ctx))
	for _, ln := range a.listeners {
		_ = ln.Close() // for one that Serve had not come to yet; the others are closed
	}
	if a.cancel != nil {
		a.cancel()
	}
	a.running.Wait()
	if a.ledger.Err() == nil {
		errs = append(errs, a.recordOwn(record.KindStop, record.Stop{Reason: "asked to"}))
	}
	errs = append(errs, a.closeFiles())
	return errors.Join(errs...)
}

func (a *App) closeFiles() error {
	for _, s := range a.stores {
		if s != nil {
			s.Shut()
		}
	}
	os.Remove(a.cfg.Socket())
	return a.ledger.Close()
}

// Register is for tests and the demo that run an instance in their own process.
func (a *App) Register() *access.Register { return a.register }
