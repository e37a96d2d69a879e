package lens

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Apply does what the plan says in one transaction, and then drops the schemas
// that nothing uses any more. When that transaction would take more than half of
// the server's locks, as with a thousand tables, there is one for what all lenses
// share and one for each lens, which is in force from then on. It refuses (Conflict) when the plan has problems,
// when the store has changed since, when something reachable would be left of
// PUBLIC's, and when it waits longer than two seconds for a lock: then the error
// names who holds it. Applying an empty plan changes nothing.
func Apply(ctx context.Context, conn *pgx.Conn, p *Plan) error {
	if len(p.Problems) > 0 {
		e := fault.New(fault.Conflict, "the lenses of dataset %s cannot be applied: %s", p.Dataset, strings.Join(p.Problems, "; "))
		e.Detail = p.Problems
		return e
	}
	if !p.Empty() {
		if err := apply(ctx, conn, p); err != nil {
			return named(ctx, conn, p.ds, err)
		}
	}
	_, err := Collect(ctx, conn, p.Dataset)
	return err
}

// applyLock keeps two applies in one database apart.
const applyLock = 7166711042

func apply(ctx context.Context, conn *pgx.Conn, p *Plan) error {
	var locks int
	err := conn.QueryRow(ctx, "SELECT current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)").Scan(&locks)
	if err != nil {
		return err
	}
	for i, steps := range p.groups(locks / 2) {
		if err := applyGroup(ctx, conn, p, steps, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// groups divides the steps into transactions of at most so many locks where it
// can: a lens is never divided.
func (p *Plan) groups(locks int) [][]Step {
	need := 0
	for _, c := range p.Lenses {
		need += 2 * len(c.Views) // the view and the table it reads
	}
	if need <= locks {
		return [][]Step{p.Steps}
	}
	var out [][]Step
	for i, s := range p.Steps {
		if i == 0 || s.role != p.Steps[i-1].role {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], s)
	}
	return out
}

func applyGroup(ctx context.Context, conn *pgx.Conn, p *Plan, steps []Step, first bool) error {
	tx, err := begin(ctx, conn, pgx.TxOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(applyLock)); err != nil {
		return err
	}
	now, problems, err := Compile(ctx, tx, p.ds)
	if err != nil {
		return err
	}
	for i := range now {
		if len(problems) > 0 || now[i].Digest != p.Lenses[i].Digest {
			return fault.New(fault.Conflict, "the tables of dataset %s have changed since the plan was made", p.Dataset).WithHint("trefoil lens plan %s --site SITE --admin CONNSTRING", p.Dataset)
		}
	}
	built := map[string]bool{}
	for _, s := range steps {
		if _, err := tx.Exec(ctx, s.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %s: %w", s.Section, firstLine(s.SQL), err)
		}
		built[s.role] = true
	}
	left, err := CheckFence(ctx, tx)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		e := fault.New(fault.Conflict, "PUBLIC still holds %d things that a new role could reach, such as %s; they were granted by somebody other than the owner", len(left), left[0])
		for _, h := range left {
			e.Detail = append(e.Detail, h.String())
		}
		return e
	}
	if err := storePrints(ctx, tx, p, built, first); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// storePrints writes down what stands now: of the lenses just built all of it
// and, with others, of every lens the part that lenses share, which the steps
// may have renewed.
func storePrints(ctx context.Context, tx pgx.Tx, plan *Plan, built map[string]bool, others bool) error {
	rows, err := tx.Query(ctx, "SELECT dataset, lens, scope, role FROM trefoil.lens WHERE in_force ORDER BY 1, 2, 3")
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l [4]string, err error) {
		err = row.Scan(&l[0], &l[1], &l[2], &l[3])
		return l, err
	})
	if err != nil {
		return err
	}
	for _, l := range list {
		if !built[l[3]] && !others {
			continue
		}
		p, applied, err := readPrint(ctx, tx, l[0], l[1], l[2])
		if err != nil {
			return err
		}
		if !built[l[3]] {
			viewer := l[0] == plan.Dataset
			for item, digest := range p.Items {
				if shared(item) || viewer && strings.HasSuffix(item, " "+plan.viewer) {
					applied[item] = digest
				}
			}
			p.Items = applied
		}
		if _, err := tx.Exec(ctx, "UPDATE trefoil.lens SET print = $1 WHERE role = $2", p.Items, p.Role); err != nil {
			return err
		}
	}
	return nil
}

// Collect drops the schemas of a dataset that are no longer in force and have no
// open session, and gives their names. One that is busy stays for the next time.
func Collect(ctx context.Context, conn *pgx.Conn, dataset string) ([]string, error) {
	list, err := standingLenses(ctx, conn, dataset)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, s := range list {
		if s.inForce || s.sessions > 0 {
			continue
		}
		err := dropLens(ctx, conn, s)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "23503") {
			continue // locked, or a session was opened meanwhile
		}
		if err != nil {
			return gone, err
		}
		gone = append(gone, s.schema)
	}
	return gone, nil
}

func dropLens(ctx context.Context, conn *pgx.Conn, s standing) error {
	return inTx(ctx, conn, []string{
		"DELETE FROM trefoil.lens WHERE role = " + literal(s.role),
		"DROP SCHEMA IF EXISTS " + ident(s.schema) + " CASCADE",
		"DROP OWNED BY " + ident(s.role),
		"DROP ROLE " + ident(s.role),
	})
}

func inTx(ctx context.Context, conn *pgx.Conn, statements []string) error {
	tx, err := begin(ctx, conn, pgx.TxOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", firstLine(sql), err)
		}
	}
	return tx.Commit(ctx)
}

// Release lets a change of a table through: PostgreSQL refuses to alter or drop
// a column that a view uses. It takes the dataset's lenses out of force, so that
// new sessions are refused, and drops the views that read the table; Apply
// builds them again. It gives the names of the dropped views.
func Release(ctx context.Context, conn *pgx.Conn, ds *catalog.Dataset, table string) ([]string, error) {
	if ds.Table(table) == nil {
		return nil, fault.New(fault.NotFound, "dataset %s has no table %s", ds.Name, table)
	}
	over, policies, err := policiesOver(ctx, conn, ds, table)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `SELECT DISTINCT format('%I.%I', n.nspname, v.relname)
		FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
		JOIN pg_catalog.pg_class v ON v.oid = w.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
		JOIN trefoil.lens l ON l.schema = n.nspname
		WHERE l.dataset = $1 AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY ($2) ORDER BY 1`,
		ds.Name, over)
	if err != nil {
		return nil, err
	}
	views, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	statements := []string{"UPDATE trefoil.lens SET in_force = false WHERE dataset = " + literal(ds.Name)}
	for _, v := range views {
		statements = append(statements, "DROP VIEW "+v)
	}
	statements = append(statements, policies...) // after the views, which would show more without them
	return views, named(ctx, conn, ds, inTx(ctx, conn, statements))
}

// named adds who holds the lock to an error about waiting for one.
func named(ctx context.Context, conn *pgx.Conn, ds *catalog.Dataset, err error) error {
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg):
		return err
	case pg.Code == "53200" && strings.Contains(pg.Message, "shared memory"):
		return fault.New(fault.Conflict, "the server has too few locks for the tables of dataset %s: %w", ds.Name, err).
			WithHint("raise max_locks_per_transaction, and restart the server")
	case pg.Code != "55P03":
		return err
	}
	e := fault.New(fault.Conflict, "another session holds a lock on tables of dataset %s; nothing was changed: %w", ds.Name, err)
	rows, qerr := conn.Query(ctx, `SELECT DISTINCT format('process %s of role %s, %s since %s, holds %s on %s', a.pid, a.usename, a.state,
			to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), l.mode, l.relation::regclass)
		FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) JOIN pg_catalog.pg_class c ON c.oid = l.relation
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
		AND (n.nspname = $1 OR n.nspname = 'trefoil' OR starts_with(n.nspname, $2)) ORDER BY 1`, ds.Schema, ds.Name+"_")
	if qerr == nil {
		if list, cerr := pgx.CollectRows(rows, pgx.RowTo[string]); cerr == nil && len(list) > 0 {
			e.Detail = list
			e.Message = fmt.Sprintf("dataset %s waits for a lock that another session holds, and nothing was changed: %s", ds.Name, list[0])
		}
	}
	return e.WithHint("end that session, or try again when it has finished")
}

func firstLine(sql string) string {
	line, _, _ := strings.Cut(sql, "\n")
	if len(line) > 120 {
		line = line[:120] + "…"
	}
	return line
}
