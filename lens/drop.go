package lens

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// DropOptions say how far Drop goes.
type DropOptions struct {
	Sessions bool // end open sessions instead of refusing
	Unfence  bool // with the last dataset: give PUBLIC back what trefoil_public holds
}

// Drop takes a dataset's lenses out of the store. With the last dataset of the
// database the schema trefoil goes too, and the roles that no other database of
// the cluster needs. The fence stays unless asked: without it whatever PUBLIC
// held is open again.
func Drop(ctx context.Context, conn *pgx.Conn, dataset string, o DropOptions) error {
	list, err := standingLenses(ctx, conn, dataset)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.sessions > 0 && !o.Sessions {
			return fault.New(fault.Conflict, "schema %s has %d open sessions", s.schema, s.sessions).WithHint("end them first, or ask for them to be ended")
		}
		if err := endSessions(ctx, conn, s.role); err != nil {
			return err
		}
	}
	for _, s := range list {
		if err := dropLens(ctx, conn, s); err != nil {
			return err
		}
	}
	if err := restoreRows(ctx, conn, dataset); err != nil {
		return err
	}
	var database string
	if err := conn.QueryRow(ctx, "SELECT current_database()").Scan(&database); err != nil {
		return err
	}
	if err := dropRole(ctx, conn, "trefoil_v_"+dataset+"_"+tag(database)); err != nil {
		return err
	}
	return dropBase(ctx, conn, o.Unfence)
}

func endSessions(ctx context.Context, conn *pgx.Conn, lens string) error {
	rows, err := conn.Query(ctx, "SELECT role::text FROM trefoil.session WHERE lens = $1 ORDER BY 1", lens)
	if err != nil {
		return err
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, r := range roles {
		if err := CloseSession(ctx, conn, r); err != nil {
			return err
		}
	}
	return nil
}

// dropBase removes what all datasets of the database share, when none is left.
func dropBase(ctx context.Context, conn *pgx.Conn, unfence bool) error {
	var there, used bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('trefoil.lens') IS NOT NULL").Scan(&there); err != nil {
		return err
	}
	if there {
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM trefoil.lens)").Scan(&used); err != nil || used {
			return err
		}
		if err := inTx(ctx, conn, []string{"DROP SCHEMA trefoil CASCADE"}); err != nil {
			return err
		}
	}
	for _, r := range []string{"trefoil_gate", "trefoil_owner"} {
		if err := dropRole(ctx, conn, r); err != nil {
			return err
		}
	}
	if !unfence {
		return nil
	}
	if err := Unfence(ctx, conn); err != nil {
		return err
	}
	return dropRole(ctx, conn, publicRole)
}

// Unfence gives PUBLIC back what trefoil_public holds in the database of the
// connection. Grants made directly to roles that do not inherit stay.
func Unfence(ctx context.Context, conn *pgx.Conn) error {
	var oid uint32
	err := conn.QueryRow(ctx, "SELECT coalesce((SELECT oid FROM pg_roles WHERE rolname = $1), 0)", publicRole).Scan(&oid)
	if err != nil || oid == 0 {
		return err
	}
	tx, err := begin(ctx, conn, pgx.TxOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	list, err := held(ctx, tx, oid)
	if err != nil {
		return err
	}
	for _, sql := range fenceSQL(list, publicRole, []string{"PUBLIC"}) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", firstLine(sql), err)
		}
	}
	columns, err := sourceColumns(ctx, tx)
	if err != nil {
		return err
	}
	// The table is granted whole again; the grants by column would only remain.
	if _, err := tx.Exec(ctx, "REVOKE SELECT ("+columns+") ON pg_catalog.pg_proc FROM PUBLIC"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "GRANT SELECT ON pg_catalog.pg_proc TO PUBLIC"); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// dropRole drops a role and its privileges here, unless another database of the
// cluster still has some of them.
func dropRole(ctx context.Context, conn *pgx.Conn, role string) error {
	var exists, elsewhere bool
	err := conn.QueryRow(ctx, `SELECT count(*) > 0, coalesce(bool_or(EXISTS (SELECT FROM pg_catalog.pg_shdepend s WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass
			AND s.refobjid = r.oid AND s.dbid NOT IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())))), false)
		FROM pg_catalog.pg_roles r WHERE r.rolname = $1`, role).Scan(&exists, &elsewhere)
	if err != nil || !exists {
		return err
	}
	if elsewhere {
		return nil
	}
	return inTx(ctx, conn, []string{"DROP OWNED BY " + ident(role), "DROP ROLE " + ident(role)})
}
