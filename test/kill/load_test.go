package kill

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/testbin"
	"github.com/trefoil-dev/trefoil/test/world"
)

// run is what lasts from kill to kill.
type run struct {
	t     *testing.T
	w     *world.World
	data  string
	key   *[32]byte
	doors []pgconn.Config // one for each site
	// services are the same for a service: its statements are recorded in batches.
	services []pgconn.Config
	rng      *rand.Rand
	log      *follower
	round    uint64

	delivered, interrupted, batches, left int
}

// answer is what a client got for one statement: rows 1 to rows, each with the
// statement's name in it.
type answer struct {
	name  string
	rows  int
	whole bool // the store said that this was all
}

// load is the time between a start and the kill that ends it.
type load struct {
	r        *run
	first    uint64  // of the entries made in it
	followed []entry // seen by somebody following the log, up to the kill

	dying  chan struct{} // closed before the kill: errors are expected from here on
	enough chan struct{} // closed when as many answers have come as were drawn
	once   sync.Once
	togo   atomic.Int64

	mu       sync.Mutex
	answers  []answer
	sessions []uint64
}

func (r *run) load() *load {
	l := &load{r: r, first: r.log.catchUp(r.t), dying: make(chan struct{}), enough: make(chan struct{})}
	l.togo.Store(10 + r.rng.Int64N(500))
	return l
}

// untilKilled has clients of every kind ask, and somebody follow the log, until
// as many answers have come as were drawn, and kills the gate in their midst.
func (l *load) untilKilled(serve *testbin.Process) {
	var clients sync.WaitGroup
	for i, ask := range []func(*client) error{(*client).simple, (*client).unnamed, (*client).prepared, (*client).pipelined, (*client).copied} {
		c := &client{load: l, number: i, ask: ask, door: l.r.doors[i%len(l.r.doors)], rng: rand.New(rand.NewPCG(l.r.rng.Uint64(), 0))}
		clients.Go(c.run)
	}
	for i, ask := range []func(*client) error{(*client).simple, (*client).prepared, (*client).pipelined, (*client).copied} {
		c := &client{load: l, number: 10 + i, ask: ask, door: l.r.services[0], rng: rand.New(rand.NewPCG(l.r.rng.Uint64(), 0))}
		clients.Go(c.run)
	}
	clients.Go(func() { l.followed = l.r.log.follow(l.first) })
	<-l.enough
	close(l.dying)
	serve.Kill()
	clients.Wait()
}

// unexpected reports an error from before the kill and ends the load.
func (l *load) unexpected(err error) {
	select {
	case <-l.dying:
	default:
		l.r.t.Errorf("before kill %d: %v", l.r.round, err)
		l.once.Do(func() { close(l.enough) })
	}
}

// note keeps an answer and counts it.
func (l *load) note(a answer) {
	l.mu.Lock()
	l.answers = append(l.answers, a)
	l.mu.Unlock()
	if l.togo.Add(-1) == 0 {
		l.once.Do(func() { close(l.enough) })
	}
}

// client asks in its own way, and comes back now and then.
type client struct {
	load   *load
	number int
	asked  int
	ask    func(*client) error
	door   pgconn.Config
	rng    *rand.Rand
	conn   *pgconn.PgConn
	ready  bool // its statement is prepared in this session
}

func (c *client) run() {
	for {
		err := c.visit()
		if err != nil {
			c.load.unexpected(err)
			return
		}
	}
}

// visit is one session.
func (c *client) visit() (err error) {
	ctx := context.Background()
	if c.conn, err = pgconn.ConnectConfig(ctx, &c.door); err != nil {
		return err
	}
	defer c.conn.Close(ctx)
	c.ready = false
	who, err := c.conn.Exec(ctx, "SELECT session_user").ReadAll()
	if err != nil {
		return err
	}
	role := string(who[0].Rows[0][0])
	if strings.HasPrefix(role, "trefoil_f_") { // shared by all sessions of the grant
		return c.some()
	}
	seq, err := strconv.ParseUint(role[strings.LastIndexByte(role, '_')+1:], 10, 64)
	if err != nil {
		return fmt.Errorf("session_user %s: %w", role, err)
	}
	c.load.mu.Lock()
	c.load.sessions = append(c.load.sessions, seq)
	c.load.mu.Unlock()
	return c.some()
}

func (c *client) some() error {
	for range 5 + c.rng.IntN(40) {
		if err := c.ask(c); err != nil {
			return err
		}
	}
	return nil
}

// next names a statement and says how many rows it has: mostly few, sometimes so
// many that a kill finds it half delivered.
func (c *client) next() (name string, rows int) {
	c.asked++
	rows = 1 + c.rng.IntN(5)
	if c.rng.IntN(10) == 0 {
		rows = 20_000
	}
	return fmt.Sprintf("kill%d.client%d.%d", c.load.r.round, c.number, c.asked), rows
}

// literal is a statement that carries its name in its text; parameter is one
// that carries it beside the text.
func literal(name string, rows int) string {
	return fmt.Sprintf("SELECT '%s' || ':' || g, id, email FROM generate_series(1, %d) g LEFT JOIN users ON true", name, rows)
}

const parameter = "SELECT $1::text || ':' || g, id, email FROM generate_series(1, $2::int) g LEFT JOIN users ON true"

func values(name string, rows int) [][]byte {
	return [][]byte{[]byte(name), []byte(strconv.Itoa(rows))}
}

// read takes the rows of one answer. Rows that are not the next of this very
// statement are an error.
func (c *client) read(name string, rows int, r *pgconn.ResultReader) error {
	a := answer{name: name}
	defer func() { c.load.note(a) }()
	for r.NextRow() {
		if want := name + ":" + strconv.Itoa(a.rows+1); string(r.Values()[0]) != want {
			return fmt.Errorf("received %q instead of %q", r.Values()[0], want)
		}
		a.rows++
	}
	if _, err := r.Close(); err != nil {
		return err
	}
	if a.whole = true; a.rows != rows {
		return fmt.Errorf("%s: %d rows instead of %d", name, a.rows, rows)
	}
	return nil
}

// simple also sends some very long texts, so that the log's segments fill and
// change while the kills go on.
func (c *client) simple() error {
	name, rows := c.next()
	sql := literal(name, rows)
	if c.rng.IntN(4) == 0 {
		sql += " /* " + strings.Repeat("long ", 100_000) + "*/"
	}
	m := c.conn.Exec(context.Background(), sql)
	for m.NextResult() {
		if err := c.read(name, rows, m.ResultReader()); err != nil {
			return err
		}
	}
	return m.Close()
}

func (c *client) unnamed() error {
	name, rows := c.next()
	return c.read(name, rows, c.conn.ExecParams(context.Background(), parameter, values(name, rows), nil, nil, nil))
}

func (c *client) prepared() error {
	ctx := context.Background()
	if !c.ready || c.rng.IntN(10) == 0 {
		if err := c.conn.Deallocate(ctx, "s"); err != nil {
			return err
		}
		if _, err := c.conn.Prepare(ctx, "s", parameter, nil); err != nil {
			return err
		}
		c.ready = true
	}
	name, rows := c.next()
	return c.read(name, rows, c.conn.ExecPrepared(ctx, "s", values(name, rows), nil, nil))
}

// pipelined sends several statements at once, each with a Sync of its own.
func (c *client) pipelined() error {
	p := c.conn.StartPipeline(context.Background())
	names, rows := make([]string, 6), make([]int, 6)
	for i := range names {
		names[i], rows[i] = c.next()
		p.SendQueryParams(parameter, values(names[i], rows[i]), nil, nil, nil)
		p.SendPipelineSync()
	}
	if err := p.Flush(); err != nil {
		return err
	}
	for i := 0; i < len(names); {
		res, err := p.GetResults()
		if err != nil {
			return err
		}
		if reader, ok := res.(*pgconn.ResultReader); ok {
			if err := c.read(names[i], rows[i], reader); err != nil {
				return err
			}
			i++
		}
	}
	return p.Close()
}

func (c *client) copied() error {
	name, rows := c.next()
	a := answer{name: name}
	defer func() { c.load.note(a) }()
	count := writer(func(b []byte) (int, error) {
		a.rows += bytes.Count(b, []byte(name+":"))
		return len(b), nil
	})
	tag, err := c.conn.CopyTo(context.Background(), count, "COPY ("+literal(name, rows)+") TO STDOUT")
	if err != nil {
		return err
	}
	if a.whole = true; a.rows != rows || tag.RowsAffected() != int64(rows) {
		return fmt.Errorf("%s: %d rows instead of %d", name, a.rows, rows)
	}
	return nil
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
