package lens

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// rowEffects says what row security changes for the operator's own roles, by
// name, and refuses where it would break one of them.
func (b *builder) rowEffects(ctx context.Context, targets []target) error {
	var oids []uint32
	var own []string
	for _, t := range targets {
		oids = append(oids, t.oid)
		switch {
		case t.kind != "r" && t.kind != "p":
			b.problem("%s is no table (a view, materialized view or foreign table), and PostgreSQL has row security for tables alone: dataset %s cannot have rows: rls", t.table.Name, b.ds.Name)
		case !t.on && len(t.restrictive) > 0:
			b.problem("table %s has restrictive policies (%s) that sleep, since its row security is off; rows: rls would wake them: drop them, or turn row security on yourself",
				t.table.Name, strings.Join(t.restrictive, ", "))
		case t.wasOn:
			own = append(own, t.table.Name)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	warn := func(format string, args ...any) {
		b.plan.Warnings = append(b.plan.Warnings, "row security: "+fmt.Sprintf(format, args...))
	}
	var readers, writers, owners, off []string
	for _, q := range []struct {
		into *[]string
		sql  string
	}{
		{&readers, boundRoles + "AND has_any_column_privilege(r.oid, c.oid, 'SELECT') ORDER BY 1"},
		{&writers, boundRoles + "AND has_any_column_privilege(r.oid, c.oid, 'INSERT') ORDER BY 1"},
		{&owners, "SELECT DISTINCT r.rolname::text FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = ANY ($1) ORDER BY 1"},
		{&off, `SELECT DISTINCT CASE WHEN s.setrole = 0 THEN 'every role' ELSE 'role ' || quote_ident(r.rolname) END
			FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) v
			WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND v ~* '^row_security=(off|f|false|no|n|0)$'
			AND NOT coalesce(r.rolsuper OR r.rolbypassrls, false) AND cardinality($1::oid[]) > 0 ORDER BY 1`},
	} {
		rows, err := b.q.Query(ctx, q.sql, oids)
		if err != nil {
			return err
		}
		if *q.into, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
	}
	for _, who := range off {
		b.problem("%s is set to row_security = off, so that each of its queries over the dataset's tables would fail; reset that first", who)
	}
	if len(readers) > 0 {
		warn("%s read these tables and go on seeing every row, but pg_dump as one of them fails: give the backup's role BYPASSRLS, or dump with --enable-row-security", strings.Join(readers, ", "))
	}
	if len(writers) > 0 {
		warn("COPY FROM into these tables fails for %s: use INSERT, or give the role BYPASSRLS", strings.Join(writers, ", "))
	}
	warn("%s, owner of the tables, is not bound by it", strings.Join(owners, ", "))
	warn("roles granted later see every row by the policy %s; whoever drops it and leaves row security on hides all rows from them", everybody)
	if len(own) > 0 {
		warn("%s have it already: their own policies stay as they are, decide for your roles, and can take rows from the lenses", strings.Join(own, ", "))
	}
	warn("in the lenses, conditions with operators that are not leakproof (LIKE, numeric, arrays, enums) use no index")
	return nil
}

// boundRoles selects the operator's roles that row security binds.
const boundRoles = `SELECT DISTINCT r.rolname::text FROM pg_roles r, pg_class c
	WHERE c.oid = ANY ($1) AND NOT r.rolsuper AND NOT r.rolbypassrls AND r.rolname !~ '^(pg_|trefoil_)' AND NOT pg_has_role(r.oid, c.relowner, 'USAGE')
	`
