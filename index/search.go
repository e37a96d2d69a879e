package index

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// Query says which entries are meant. Empty fields mean any; all that are given
// must hold.
type Query struct {
	Person  string      // login: what they did, and what became of their requests
	Dataset string      //
	Subject string      // key: who asked for or read that person, or may have
	Since   int64       // µs UTC
	Before  uint64      // sequence, exclusive; 0: no bound
	Kind    record.Kind //
	Limit   int         // newest so many, 1 to MaxLimit
}

// Hit is an entry found.
type Hit struct {
	Seq     uint64
	Login   string // who did it, or whose session it is; empty: the gate, the operator
	Dataset string // empty: none
	// May: the entry is about everybody in a store, so the person asked for may
	// be among them. Otherwise they were named.
	May bool
}

// Answer is what was found, oldest first.
type Answer struct {
	Hits    []Hit
	Indexed uint64 // entries that were searched: those before this
	Durable uint64 // entries of the log when it was asked
	More    bool   // older ones fit, too
	// Of a query that found nothing: no entry at all, however old, has that
	// login, or that dataset.
	NoPerson, NoDataset bool
}

const (
	// MaxLimit bounds an answer.
	MaxLimit = 1000
	fresh    = 3 * time.Second  // waited for the index to reach the log's end
	patience = 20 * time.Second // for a search
)

// Search finds the newest entries that fit. What the log held when it was called
// is searched, if the index gets there in a few seconds; Answer.Indexed tells.
func (x *Index) Search(ctx context.Context, q Query) (Answer, error) {
	if q.Limit < 1 || q.Limit > MaxLimit {
		return Answer{}, fault.New(fault.BadInput, "a search gives 1 to %d entries at a time", MaxLimit).WithHint("--before gives those before an entry")
	}
	if q.Kind != "" && !slices.Contains(record.Kinds(), q.Kind) {
		return Answer{}, fault.New(fault.BadInput, "there is no kind of entry %q", q.Kind).WithHint("kinds are %v", record.Kinds())
	}
	durable := x.opt.Log.Durable()
	x.reach(ctx, durable, fresh)
	x.mu.RLock()
	defer x.mu.RUnlock()
	if s := x.Status(); x.db == nil {
		f := fault.New(fault.Stopping, "the index is not open").WithHint("trefoil log tail --from 0 reads the log itself")
		f.Cause = s.Err
		return Answer{}, f
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := search(ctx, x.db.read, x.opt.Key, q)
	answer.Durable = durable
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = fault.New(fault.TooLarge, "the search took more than %s", patience).WithHint("narrow it: --since, --kind, --person")
	default:
		err = fault.New(fault.Stopping, "the index can't be read: %w", err).WithHint("trefoil index rebuild")
	}
	return answer, err
}

// searcher is one search, on one snapshot of the tables.
type searcher struct {
	ctx    context.Context
	tx     *sql.Tx
	q      Query
	who    []byte // hash of q.Subject
	lo, hi uint64 // entries looked at
	hits   []Hit
}

func search(ctx context.Context, read *sql.DB, key [32]byte, q Query) (a Answer, err error) {
	tx, err := read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return a, err
	}
	defer tx.Rollback()
	s := &searcher{ctx: ctx, tx: tx, q: q, who: person(key, q.Subject)}
	if err := tx.QueryRowContext(ctx, `SELECT next FROM meta WHERE one = 1`).Scan(&a.Indexed); err != nil {
		return a, err
	}
	if s.hi = a.Indexed; q.Before != 0 {
		s.hi = min(s.hi, q.Before)
	}
	if s.lo, err = s.since(); err != nil {
		return a, err
	}
	if q.Person == "" && q.Dataset == "" && q.Subject == "" {
		err = s.any()
	} else {
		err = s.lives()
	}
	if err == nil && q.Person != "" {
		err = s.others()
	}
	s.cut()
	a.More = len(s.hits) > q.Limit
	a.Hits = s.hits[:min(len(s.hits), q.Limit)]
	slices.Reverse(a.Hits)
	if err == nil && len(a.Hits) == 0 {
		err = s.never(&a)
	}
	return a, err
}

// never tells a name that was mistyped from one of which there is nothing to say.
func (s *searcher) never(a *Answer) error {
	return s.tx.QueryRowContext(s.ctx, `SELECT
		?1 <> '' AND NOT EXISTS (SELECT 1 FROM entry WHERE login = ?1) AND NOT EXISTS (SELECT 1 FROM request WHERE login = ?1),
		?2 <> '' AND NOT EXISTS (SELECT 1 FROM request WHERE dataset = ?2)`, s.q.Person, s.q.Dataset).Scan(&a.NoPerson, &a.NoDataset)
}

// since finds the first entry that is not too old: times never go back.
func (s *searcher) since() (uint64, error) {
	if s.q.Since <= 0 {
		return 0, nil
	}
	var failed error
	n := sort.Search(int(s.hi), func(seq int) bool {
		var t int64
		if err := s.tx.QueryRowContext(s.ctx, `SELECT time FROM entry WHERE seq = ?`, seq).Scan(&t); err != nil {
			failed = err
		}
		return t >= s.q.Since
	})
	return uint64(n), failed
}

// add takes the entries a query gives: sequence, login, dataset; newest first.
func (s *searcher) add(may bool, query string, args ...any) error {
	rows, err := s.tx.QueryContext(s.ctx, query+` ORDER BY e.seq DESC LIMIT ?`, append(args, s.q.Limit+1)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		h := Hit{May: may}
		if err := rows.Scan(&h.Seq, &h.Login, &h.Dataset); err != nil {
			return err
		}
		s.hits = append(s.hits, h)
	}
	if len(s.hits) > 4*s.q.Limit {
		s.cut()
	}
	return rows.Err()
}

// cut keeps the newest, in order, and one more: it tells that there are more.
func (s *searcher) cut() {
	slices.SortFunc(s.hits, func(a, b Hit) int { return cmp.Compare(b.Seq, a.Seq) })
	s.hits = s.hits[:min(len(s.hits), s.q.Limit+1)]
}

// oldest is the oldest entry that could still be in the answer.
func (s *searcher) oldest() uint64 {
	if len(s.hits) <= s.q.Limit {
		return s.lo
	}
	s.cut()
	return s.hits[s.q.Limit].Seq
}

const (
	found  = `SELECT e.seq, coalesce(e.login, r.login, ''), coalesce(r.dataset, '') FROM entry e LEFT JOIN request r ON r.seq = e.request WHERE `
	within = `e.seq >= ? AND e.seq < ?`
)

// ofKind narrows a query. The words about hot kinds let SQLite use the indexes
// that leave those out.
func (s *searcher) ofKind(query string, args []any) (string, []any) {
	if s.q.Kind == "" {
		return query, args
	}
	switch s.q.Kind {
	case record.KindStatement, record.KindResult, record.KindStatements:
	default:
		query += ` AND e.kind NOT IN ` + hot
	}
	return query + ` AND e.kind = ?`, append(args, string(s.q.Kind))
}

func (s *searcher) any() error {
	query, args := s.ofKind(found+within, []any{s.lo, s.hi})
	return s.add(false, query, args...)
}

// matching is the condition on a request r.
func (s *searcher) matching() (query string, args []any) {
	var all []string
	if s.q.Dataset != "" {
		all, args = append(all, `r.dataset = ?`), append(args, s.q.Dataset)
	}
	if s.q.Subject != "" {
		all, args = append(all, `(r.scope = 'bulk' OR r.seq IN (SELECT request FROM subject WHERE person = ?))`), append(args, s.who)
	}
	return strings.Join(all, ` AND `), args
}

// life is a request that fits.
type life struct {
	seq, last uint64
	bulk      bool
}

// lives looks through the lives of the requests that fit, those with the newest
// entries first, until no other can add to the answer.
func (s *searcher) lives() error {
	where, args := s.matching()
	if s.q.Person != "" {
		if where != "" {
			where += ` AND `
		}
		where, args = where+`r.login = ?`, append(args, s.q.Person)
	}
	rows, err := s.tx.QueryContext(s.ctx, `SELECT r.seq, r.last, r.scope = 'bulk' FROM request r WHERE `+where+` AND r.last >= ? AND r.seq < ? ORDER BY r.last DESC`, append(args, s.lo, s.hi)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var fit []life
	for rows.Next() {
		var l life
		if err := rows.Scan(&l.seq, &l.last, &l.bulk); err != nil {
			return err
		}
		fit = append(fit, l)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, l := range fit {
		if l.last < s.oldest() {
			break
		}
		if err := s.life(l); err != nil {
			return err
		}
	}
	return nil
}

func (s *searcher) life(l life) error {
	query, args := s.ofKind(found+`e.request = ? AND `+within, []any{l.seq, s.lo, s.hi})
	may := l.bulk && s.q.Subject != ""
	if may && s.q.Kind == "" { // the sessions say enough; --kind statement gives each
		query += ` AND e.kind NOT IN ` + hot
	}
	return s.add(may, query, args...)
}

// others finds what a person did in the lives of other people's requests.
func (s *searcher) others() error {
	query, args := found+`e.login = ? AND `+within, []any{s.q.Person, s.lo, s.hi}
	if where, more := s.matching(); where != "" {
		query, args = query+` AND `+where, append(args, more...)
	}
	query, args = s.ofKind(query, args)
	if s.q.Subject == "" {
		return s.add(false, query, args...)
	}
	if err := s.add(true, query+` AND r.scope = 'bulk'`, args...); err != nil {
		return err
	}
	return s.add(false, query+` AND r.scope <> 'bulk'`, args...)
}
