package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/lens"
)

// fenceAge is how long a fence that was found whole is taken for whole.
const fenceAge = 5 * time.Second

// PGStore is a Store over PostgreSQL. It logs in as trefoil_gate, a role that
// can do nothing but open and close sessions.
type PGStore struct {
	gate   string
	name   string
	pool   *pgxpool.Pool
	base   *pgconn.Config // of every session, but for user, password and settings
	clock  func() time.Time
	prints lens.Prints

	perService int        // sessions one grant of a service may have open here
	making     sync.Mutex // held while a service's role is made, and by the sweep

	mu     sync.Mutex
	open   map[string]bool             // roles in use: not to be swept
	fixed  map[fixedKey]*fixed         // of services
	fenced time.Time                   // when the fence was last found whole
	lenses map[string][]*lens.Compiled // of each dataset, as of the catalogue and columns seen last
	of     map[string]*catalog.Dataset // of which they were compiled
}

// NewPGStore prepares a store from a libpq connection string without password
// and the password. It does not connect yet, so a store that is away keeps
// nobody from starting the gate. A grant of a service may have perService
// sessions open [50].
func NewPGStore(gate, name, conn, password string, perService int, clock func() time.Time) (*PGStore, error) {
	cfg, err := pgxpool.ParseConfig(conn)
	if err != nil {
		return nil, fault.New(fault.BadInput, "store %s: the connection string does not read: %w", name, err)
	}
	cfg.ConnConfig.Password = password
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	cfg.ConnConfig.RuntimeParams["application_name"] = "trefoil gate " + gate
	cfg.MaxConns = 4
	cfg.MaxConnIdleTime = 5 * time.Minute
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	if perService <= 0 {
		perService = 50
	}
	base := pool.Config().ConnConfig.Config
	base.Password = ""
	return &PGStore{gate: gate, name: name, pool: pool, base: &base, clock: clock, open: make(map[string]bool),
		perService: perService, fixed: make(map[fixedKey]*fixed),
		lenses: make(map[string][]*lens.Compiled), of: make(map[string]*catalog.Dataset)}, nil
}

// Shut closes the gate's own connections.
func (p *PGStore) Shut() { p.pool.Close() }

// Check implements Store.
func (p *PGStore) Check(ctx context.Context, ds *catalog.Dataset, name, scope string) (string, error) {
	if err := p.checkFence(ctx, ds); err != nil {
		return "", err
	}
	print, err := p.prints.Check(ctx, p.pool, p.clock(), ds.Name, name, scope)
	if err != nil {
		return "", p.away(err)
	}
	want, err := p.compiled(ctx, ds, name, scope)
	if err == nil && want.Digest != print.Digest {
		p.forget(ds) // the operator's tables may have changed since
		want, err = p.compiled(ctx, ds, name, scope)
	}
	if err != nil {
		return "", p.away(err)
	}
	if want.Digest != print.Digest {
		return "", fault.New(fault.Conflict, "store %s has another %s lens of %s than the catalogue in force says", p.name, name, ds.Name).
			WithHint("the operator runs: %s", p.remedy(ds))
	}
	return print.Digest, nil
}

// remedy is the command that puts a dataset's lenses into this store.
func (p *PGStore) remedy(ds *catalog.Dataset) string {
	site := "SITE"
	for _, s := range ds.Sites {
		if s.Store == p.name {
			site = s.Name
			break
		}
	}
	return fmt.Sprintf("trefoil lens apply %s --site %s --admin CONNSTRING", ds.Name, site)
}

func (p *PGStore) checkFence(ctx context.Context, ds *catalog.Dataset) error {
	p.mu.Lock()
	fresh := p.clock().Sub(p.fenced) < fenceAge
	p.mu.Unlock()
	if fresh {
		return nil
	}
	if err := lens.CheckServer(ctx, p.pool); err != nil {
		return p.away(err)
	}
	held, err := lens.CheckFence(ctx, p.pool)
	if err != nil {
		return p.away(err)
	}
	if len(held) > 0 {
		f := fault.New(fault.Conflict, "store %s is not fenced: everybody may %s", p.name, held[0])
		for _, h := range held {
			f.Detail = append(f.Detail, h.String())
		}
		return f.WithHint("the operator runs: %s", p.remedy(ds))
	}
	p.mu.Lock()
	p.fenced = p.clock()
	p.mu.Unlock()
	return nil
}

// compiled is the lens the catalogue in force asks for.
func (p *PGStore) compiled(ctx context.Context, ds *catalog.Dataset, name, scope string) (*lens.Compiled, error) {
	p.mu.Lock()
	all, fresh := p.lenses[ds.Name], p.of[ds.Name] == ds
	p.mu.Unlock()
	if !fresh {
		var problems []string
		var err error
		if all, problems, err = lens.Compile(ctx, p.pool, ds); err != nil {
			return nil, err
		}
		if len(problems) > 0 {
			f := fault.New(fault.Conflict, "the catalogue does not fit store %s: %s", p.name, problems[0])
			f.Detail = problems
			return nil, f
		}
		for _, c := range all {
			c.Views = nil // megabytes of SQL when there are a thousand tables
		}
		p.mu.Lock()
		p.lenses[ds.Name], p.of[ds.Name] = all, ds
		p.mu.Unlock()
	}
	if c := lens.Find(all, name, scope); c != nil {
		return c, nil
	}
	return nil, fault.New(fault.NotFound, "dataset %s has no lens %s in scope %s", ds.Name, name, scope)
}

func (p *PGStore) forget(ds *catalog.Dataset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, ds.Name)
}

// away turns a failure to reach the store into words.
func (p *PGStore) away(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	var pg *pgconn.PgError
	isPG := errors.As(err, &pg)
	switch {
	case isPG && (pg.Code[:2] == "08" || pg.Code[:2] == "28" || pg.Code[:2] == "57"): // away, or does not know us
	case isPG || errors.As(err, &f):
		return err
	}
	return fault.New(fault.StoreAway, "store %s does not answer: %w", p.name, err).WithHint("ask the operator; nothing was read")
}

// Open implements Store.
func (p *PGStore) Open(ctx context.Context, o Opening) (seat Seat, up pggate.Upstream, err error) {
	compiled, err := p.compiled(ctx, o.Dataset, o.Lens, o.Scope)
	if err != nil {
		return seat, up, p.away(err)
	}
	if o.Service != "" {
		return p.openService(ctx, o, compiled)
	}
	role := fmt.Sprintf("trefoil_s_%s_%d", p.gate, o.Session)
	p.use(role, true)
	made, password, err := p.makeRole(ctx, o, compiled)
	if err == nil && made != role {
		err = fmt.Errorf("the store made role %s, not %s", made, role)
	}
	if err != nil {
		p.use(role, false)
		return seat, up, err
	}
	up, pid, err := p.connect(ctx, role, password, o.Settings)
	return Seat{Role: role, pid: pid}, up, p.away(err)
}

// makeRole makes the login role of a session, or of a service's, under a secret
// that nobody else knows.
func (p *PGStore) makeRole(ctx context.Context, o Opening, compiled *lens.Compiled) (role, password string, err error) {
	var random [32]byte
	rand.Read(random[:])
	password = base64Std(random[:])
	verifier, err := lens.Verifier(password)
	if err != nil {
		return "", "", err
	}
	opened, err := lens.OpenSession(ctx, p.pool, lens.Session{Gate: p.gate, Seq: o.Session, Service: o.Service, Limit: p.perService,
		Lens: compiled, Grant: o.Grant, Verifier: verifier, Subjects: o.Subjects, Key: o.Pad})
	if err == nil && opened.Digest != compiled.Digest {
		_ = lens.CloseSession(ctx, p.pool, opened.Role) // what stays is the sweep's
		err = fault.New(fault.Conflict, "the %s lens of %s in store %s was changed while the session was opened", o.Lens, o.Dataset.Name, p.name).WithHint("connect again")
	}
	return opened.Role, password, p.away(err)
}

// connect logs in as the session's role and takes the connection over.
func (p *PGStore) connect(ctx context.Context, role, password string, settings []pggate.Setting) (up pggate.Upstream, pid uint32, err error) {
	cfg := *p.base
	cfg.User, cfg.Password = role, password
	cfg.RuntimeParams = map[string]string{"application_name": "trefoil", "client_encoding": "UTF8"}
	for _, s := range settings {
		cfg.RuntimeParams[s.Name] = s.Value
	}
	conn, err := pgconn.ConnectConfig(ctx, &cfg)
	if err != nil {
		return up, 0, err
	}
	if err := conn.SyncConn(ctx); err != nil { // no reader of pgx's may be left on the socket
		return up, 0, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return up, 0, err
	}
	// Of pgx's connection, whose buffers a session would hold for as long as it
	// lives, only what a cancel request needs is kept.
	key := pgconn.HijackedConn{Conn: h.Conn, TLSConfig: h.TLSConfig, PID: h.PID, SecretKey: h.SecretKey, Config: p.base}
	cancel := func(ctx context.Context) error {
		c, err := pgconn.Construct(&key)
		if err != nil {
			return err
		}
		return c.CancelRequest(ctx)
	}
	return pggate.Upstream{Conn: h.Conn, Parameters: h.ParameterStatuses, Cancel: cancel}, h.PID, nil
}

// Close implements Store.
func (p *PGStore) Close(ctx context.Context, seat Seat) error {
	if seat.fixed != nil {
		return p.closeService(ctx, seat)
	}
	err := lens.CloseSession(ctx, p.pool, seat.Role)
	p.use(seat.Role, false) // what is left is the sweep's
	return err
}

func (p *PGStore) use(role string, yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if yes {
		p.open[role] = true
	} else {
		delete(p.open, role)
	}
}

// Sweep implements Store.
func (p *PGStore) Sweep(ctx context.Context) error {
	p.making.Lock()
	defer p.making.Unlock()
	p.mu.Lock()
	keep := slices.Collect(maps.Keys(p.open))
	p.mu.Unlock()
	_, err := lens.Sweep(ctx, p.pool, p.gate, keep...)
	return err
}
