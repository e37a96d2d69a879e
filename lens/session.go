package lens

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// MaxSubjects is how many subjects a case may name.
const MaxSubjects = 1000

// Session is what a gate asks of a store for one session of one grant.
type Session struct {
	Gate     string // lower-case letters, digits and hyphens, at most 30
	Seq      uint64 // never used before by this gate; of a person's session
	Service  string // whose sessions share the role; empty: a person's session, which has its own
	Limit    int    // sessions a service may have open
	Lens     *Compiled
	Grant    uint64
	Verifier string   // ready SCRAM-SHA-256 verifier of the session's secret (RFC 5803)
	Subjects []string // Case: the keys of the grant's subjects as text; 1 to MaxSubjects
	Key      [32]byte // the grant's pseudonym key; it leaves this process only for lenses with Pads
}

// Opened is a session role that can log in and sees its lens alone.
type Opened struct {
	Role   string // trefoil_s_<gate>_<seq>, or trefoil_f_<service>_<digest>
	Schema string // its search_path
	Digest string // of the lens
}

// OpenSession makes the login role of a session, or of a service's sessions under
// one grant; if an earlier run of the gate left the latter, that is closed first.
// The connection is the gate's own (trefoil_gate). It commits by itself; after an
// error nothing is left.
func OpenSession(ctx context.Context, q Querier, s Session) (Opened, error) {
	if s.Seq > math.MaxInt64 || s.Grant > math.MaxInt64 {
		return Opened{}, fault.New(fault.BadInput, "sequence or grant is out of range")
	}
	subjects, pseudonyms, err := s.scope()
	if err != nil {
		return Opened{}, err
	}
	var key []byte
	if s.Lens.Pads {
		key = pads(s.Key)
	}
	var o Opened
	call, args := "trefoil.session_open($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", []any{s.Gate, int64(s.Seq)}
	if s.Service != "" {
		call, args = "trefoil.service_open($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", []any{s.Gate, s.Service, s.Limit}
	}
	args = append(args, s.Lens.Dataset, s.Lens.Lens, s.Lens.Scope, int64(s.Grant), s.Verifier, subjects, pseudonyms, key)
	err = q.QueryRow(ctx, "SELECT role, schema, digest FROM "+call, args...).Scan(&o.Role, &o.Schema, &o.Digest)
	return o, storeFault(err, "opening a session")
}

// LeaveService ends the backend of one session of a service, of whose role
// others go on. It is harmless when the backend has ended.
func LeaveService(ctx context.Context, q Querier, role string, pid uint32) error {
	var was bool
	return storeFault(q.QueryRow(ctx, "SELECT trefoil.service_leave($1, $2)", role, int32(pid)).Scan(&was), "closing a session")
}

// scope gives the subjects of a case, each once, and in the pseudonymous lens
// their pseudonyms beside them.
func (s *Session) scope() (subjects, pseudonyms []string, err error) {
	if s.Lens.Scope != Case {
		return nil, nil, nil
	}
	if subjects, err = s.Lens.Keys(s.Subjects); err != nil {
		return nil, nil, err
	}
	slices.Sort(subjects)
	subjects = slices.Compact(subjects)
	if n := len(subjects); n == 0 || n > MaxSubjects {
		return nil, nil, fault.New(fault.BadInput, "a case names 1 to %d subjects and this one %d", MaxSubjects, n)
	}
	if s.Lens.Lens == Pseudonymous {
		for _, k := range subjects {
			pseudonyms = append(pseudonyms, pseudonym(s.Lens.subject, "text", s.Key, k))
		}
	}
	return subjects, pseudonyms, nil
}

// CloseSession ends a session: terminates its backends and waits for them,
// drops the role and whatever it came to own, forgets its scope unless another
// session of the grant is open. Closing twice is harmless.
func CloseSession(ctx context.Context, q Querier, role string) error {
	var was bool
	return storeFault(q.QueryRow(ctx, "SELECT trefoil.session_close($1)", role).Scan(&was), "closing a session")
}

// Sweep closes the sessions that this gate left in the store, as after a crash:
// those without a backend and not among keep, the roles it still uses. It gives
// the roles that it dropped.
func Sweep(ctx context.Context, q Querier, gate string, keep ...string) ([]string, error) {
	if keep == nil {
		keep = []string{}
	}
	rows, err := q.Query(ctx, "SELECT trefoil.sweep($1, $2)::text", gate, keep)
	if err != nil {
		return nil, storeFault(err, "sweeping sessions")
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return roles, storeFault(err, "sweeping sessions")
}

// storeFault turns the errors that the functions raise themselves, whose texts
// are ours, into faults; others stay internal.
func storeFault(err error, doing string) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pg) && pg.Code == "55000":
		return &fault.Error{Kind: fault.Conflict, Message: pg.Message, Cause: err}
	case errors.As(err, &pg) && pg.Code[:2] == "22":
		return &fault.Error{Kind: fault.BadInput, Message: doing + ": a key of the case does not fit the store's key column, or another argument is not legal", Hint: "make a new request that names people by keys as the store has them"} // no cause: it would quote the key
	case errors.As(err, &pg):
		return fault.New(fault.Internal, "%s in the store failed: %w", doing, err)
	}
	return fault.New(fault.StoreAway, "%s: the store does not answer: %w", doing, err)
}
