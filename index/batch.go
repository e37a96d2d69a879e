package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/trefoil-dev/trefoil/record"
)

// maxKnown bounds what the applier remembers of lookups it has made.
const maxKnown = 1 << 14

// applier makes rows of entries, one batch and transaction at a time. Its
// statements run without a context: a cancelled one would cost a goroutine each,
// and a batch is short.
type applier struct {
	db  *db
	key [32]byte
	sql map[string]*sql.Stmt // by text

	// Within a batch: rows that later entries of it still change.
	open map[uint64]*statement // not yet inserted
	life map[uint64]uint64     // request → newest entry
	// Across batches: what is found in the tables otherwise.
	lives    map[uint64]uint64 // grant → request; 0 if it has none
	sessions map[uint64]uint64 // session → request
}

// statement is a row of that table.
type statement struct {
	session             uint64
	request             uint64
	verb                string
	outcome             record.Outcome
	result              uint64 // 0: none
	rows, bytes, micros int64
	state               string
}

func newApplier(d *db, key [32]byte) (*applier, error) {
	a := &applier{db: d, key: key, sql: make(map[string]*sql.Stmt)}
	a.forget()
	return a, nil
}

func (a *applier) forget() {
	a.open, a.life = make(map[uint64]*statement), make(map[uint64]uint64)
	a.lives, a.sessions = make(map[uint64]uint64), make(map[uint64]uint64)
}

func (a *applier) close() {
	for _, s := range a.sql {
		_ = s.Close() // reads and commits are done
	}
}

// stmt prepares a statement once.
func (a *applier) stmt(text string) (*sql.Stmt, error) {
	if s := a.sql[text]; s != nil {
		return s, nil
	}
	s, err := a.db.conn.PrepareContext(context.Background(), text)
	if err == nil {
		a.sql[text] = s
	}
	return s, err
}

func (a *applier) exec(text string, args ...any) error {
	s, err := a.stmt(text)
	if err == nil {
		_, err = s.Exec(args...)
	}
	return err
}

// number looks up one value; 0 if there is no row or it is NULL.
func (a *applier) number(text string, args ...any) (uint64, error) {
	s, err := a.stmt(text)
	if err != nil {
		return 0, err
	}
	var n sql.NullInt64
	if err := s.QueryRow(args...).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	return uint64(n.Int64), nil
}

// wanted says of which kinds the parts are read.
func wanted(leaf *record.Leaf) bool {
	switch leaf.Kind {
	case record.KindGenesis, record.KindStart, record.KindStop, record.KindRules, record.KindStrangers:
		return false // nobody's, and the longest
	}
	return true
}

var errFull = errors.New("the batch is full")

// batch adds the entries from where the index stands to 'to', or as many of
// them as one transaction takes.
func (a *applier) batch(ctx context.Context, log Log, to uint64) (err error) {
	if err := a.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = a.exec("ROLLBACK") // if that fails too, the connection is closed
			a.forget()
		}
	}()
	next, size := a.db.next, 0
	var last record.Leaf
	err = log.Walk(next, to, wanted, func(e record.Entry) error {
		if e.Seq != next {
			return fmt.Errorf("the log gave entry %d for %d", e.Seq, next)
		}
		if err := a.entry(&e); err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		next, last = e.Seq+1, e.Leaf
		for i := range e.Parts {
			size += len(e.Parts[i].Data)
		}
		if size > maxBytes {
			return errFull
		}
		runtime.Gosched() // the gate's goroutines first
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errFull) {
		return err
	}
	hash := last.Hash()
	if err := a.flush(); err != nil {
		return err
	}
	if err := a.exec(`UPDATE meta SET next = ?, last = ? WHERE one = 1`, next, hash[:]); err != nil {
		return err
	}
	if err := a.exec("COMMIT"); err != nil {
		return err
	}
	a.db.next, a.db.last = next, hash
	if len(a.lives) > maxKnown {
		clear(a.lives)
	}
	if len(a.sessions) > maxKnown {
		clear(a.sessions)
	}
	return nil
}

// flush writes the rows that were held back.
func (a *applier) flush() error {
	for _, seq := range slices.Sorted(maps.Keys(a.open)) {
		s := a.open[seq]
		err := a.exec(`INSERT INTO statement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, seq, s.session, s.verb, s.outcome, orNull(s.result), s.rows, s.bytes, s.micros, s.state)
		if err != nil {
			return err
		}
	}
	clear(a.open)
	for request, seq := range a.life {
		if err := a.exec(`UPDATE request SET last = ? WHERE seq = ?`, seq, request); err != nil {
			return err
		}
	}
	clear(a.life)
	return nil
}

// orNull is n, or NULL for 0: entry 0 is genesis and nobody's.
func orNull(n uint64) any {
	if n == 0 {
		return nil
	}
	return n
}
