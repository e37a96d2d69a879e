package lens

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// everybody is the policy by which roles that are not ours see all rows.
const everybody = "trefoil_all"

// policyNames of a dataset: the condition, and what it restricts on tables whose
// own policies would give the views' owner nothing.
func policyNames(dataset string) (rows, read string) {
	return "trefoil_" + dataset + "_rows", "trefoil_" + dataset + "_read"
}

// secured is a row of trefoil.secured, with what stands of its table.
type secured struct {
	oid           uint32
	schema, table string // empty when the table is gone
	wasOn, shared bool   // shared with another dataset
	policy        string
}

func readSecured(ctx context.Context, q Querier, dataset string) ([]secured, error) {
	var there bool
	if err := q.QueryRow(ctx, "SELECT to_regclass('trefoil.secured') IS NOT NULL").Scan(&there); err != nil || !there {
		return nil, err
	}
	rows, err := q.Query(ctx, `SELECT s.relation, coalesce(n.nspname, ''), coalesce(c.relname, ''), s.was_on, s.policy,
			EXISTS (SELECT FROM trefoil.secured o WHERE o.relation = s.relation AND o.dataset <> s.dataset)
		FROM trefoil.secured s LEFT JOIN pg_catalog.pg_class c ON c.oid = s.relation LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE s.dataset = $1 ORDER BY 2, 3, 1`, dataset)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s secured, err error) {
		err = row.Scan(&s.oid, &s.schema, &s.table, &s.wasOn, &s.policy, &s.shared)
		return s, err
	})
}

// target is what a table of the catalogue has of row security, before or after
// ours.
type target struct {
	table       *catalog.Table
	oid         uint32
	kind        string
	on          bool
	restrictive []string // policies of others that take rows away
	wasOn       bool     // before ours; otherwise the same as on
	known       *secured
}

// rowSecurity adds the steps by which exactly the tables of a dataset with
// rows: rls have our policies, and says what else that changes.
func (b *builder) rowSecurity(ctx context.Context) error {
	b.section = "row security"
	have, err := readSecured(ctx, b.q, b.ds.Name)
	if err != nil {
		return err
	}
	targets, err := b.targets(ctx, have)
	if err != nil {
		return err
	}
	if b.ds.RowSecurity {
		if err := b.rowEffects(ctx, targets); err != nil {
			return err
		}
	}
	for _, s := range have {
		if slices.ContainsFunc(targets, func(t target) bool { return t.oid == s.oid }) {
			continue
		}
		if err := b.restore(ctx, s); err != nil {
			return err
		}
	}
	renew := slices.ContainsFunc(b.plan.Drift, func(d string) bool { return strings.HasPrefix(d, "row security of ") })
	for _, t := range targets {
		if t.known == nil || t.known.policy != rowsOf(b.ds, t.table) || renew || !t.on {
			b.secure(t)
		}
	}
	return nil
}

// targets finds the tables that are to have policies.
func (b *builder) targets(ctx context.Context, have []secured) (list []target, err error) {
	for _, t := range b.ds.Tables {
		if rowsOf(b.ds, t) == "" {
			continue
		}
		x := target{table: t}
		err := b.q.QueryRow(ctx, `SELECT coalesce(max(c.oid), 0), coalesce(max(c.relkind::text), ''), coalesce(bool_or(c.relrowsecurity), false),
				coalesce((SELECT array_agg(p.polname::text ORDER BY 1) FROM pg_policy p WHERE p.polrelid = max(c.oid) AND NOT p.polpermissive AND p.polname !~ '^trefoil_'), '{}')
			FROM pg_class c WHERE c.oid = to_regclass($1)`, ident(b.ds.Schema, t.Name)).Scan(&x.oid, &x.kind, &x.on, &x.restrictive)
		if err != nil {
			return nil, err
		}
		if x.oid == 0 { // reported as missing
			continue
		}
		x.wasOn = x.on
		for i := range have {
			if have[i].oid == x.oid {
				x.known, x.wasOn = &have[i], have[i].wasOn
			}
		}
		if x.known == nil && x.on { // turned on by us for another dataset
			var ours bool
			err := b.q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_policy WHERE polrelid = $1 AND polname = $2)", x.oid, everybody).Scan(&ours)
			if err != nil {
				return nil, err
			}
			x.wasOn = !ours
		}
		list = append(list, x)
	}
	return list, nil
}

// secure adds the steps that make a table's policies what they should be.
func (b *builder) secure(t target) {
	rows, read := policyNames(b.ds.Name)
	on := " ON " + ident(b.ds.Schema, t.table.Name)
	sql := rowsOf(b.ds, t.table)
	b.step("INSERT INTO trefoil.secured (dataset, relation, was_on, policy) VALUES (%s, %d, %t, %s) ON CONFLICT (dataset, relation) DO UPDATE SET policy = excluded.policy",
		literal(b.ds.Name), t.oid, t.wasOn, literal(sql))
	b.step("DROP POLICY IF EXISTS %s%s", ident(rows), on)
	b.step("CREATE POLICY %s%s AS RESTRICTIVE FOR SELECT TO %s USING (%s)", ident(rows), on, ident(b.plan.viewer), sql)
	if t.wasOn {
		b.step("DROP POLICY IF EXISTS %s%s", ident(read), on)
		b.step("CREATE POLICY %s%s FOR SELECT TO %s USING (true)", ident(read), on, ident(b.plan.viewer))
	} else {
		b.step("DROP POLICY IF EXISTS %s%s", everybody, on)
		b.step("CREATE POLICY %s%s USING (true) WITH CHECK (true)", everybody, on)
	}
	b.step("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", ident(b.ds.Schema, t.table.Name))
}

// restore adds the steps that give a table back what it had. Open sessions
// would see more from one moment to the next, so there may be none.
func (b *builder) restore(ctx context.Context, s secured) error {
	list, err := standingLenses(ctx, b.q, b.ds.Name)
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.sessions > 0 {
			b.problem("schema %s has %d open sessions, which would see more rows of %s without its row security; end them first", l.schema, l.sessions, s.table)
			return nil
		}
	}
	wrong, err := inTheWay(ctx, b.q, s)
	if err != nil {
		return err
	}
	if wrong != "" {
		b.problem("%s", wrong)
	}
	for _, sql := range restoreSQL(b.ds.Name, s) {
		b.step("%s", sql)
	}
	return nil
}

func (b *builder) problem(format string, args ...any) {
	if p := fmt.Sprintf(format, args...); !contains(b.plan.Problems, p) {
		b.plan.Problems = append(b.plan.Problems, p)
	}
}

// restoreSQL takes our policies away and turns row security off where we turned
// it on.
func restoreSQL(dataset string, s secured) []string {
	forget := fmt.Sprintf("DELETE FROM trefoil.secured WHERE dataset = %s AND relation = %d", literal(dataset), s.oid)
	if s.table == "" {
		return []string{forget}
	}
	rows, read := policyNames(dataset)
	table := ident(s.schema, s.table)
	out := []string{"DROP POLICY IF EXISTS " + ident(rows) + " ON " + table, "DROP POLICY IF EXISTS " + ident(read) + " ON " + table}
	if !s.wasOn && !s.shared {
		out = append(out, "ALTER TABLE "+table+" DISABLE ROW LEVEL SECURITY", "DROP POLICY IF EXISTS "+everybody+" ON "+table)
	}
	return append(out, forget)
}

// inTheWay says which policies that the operator added since would lose their
// effect if row security were turned off again; there were none when it was
// turned on.
func inTheWay(ctx context.Context, q Querier, s secured) (string, error) {
	if s.wasOn || s.shared {
		return "", nil
	}
	var names []string
	err := q.QueryRow(ctx, "SELECT coalesce(array_agg(polname::text ORDER BY 1), '{}') FROM pg_catalog.pg_policy WHERE polrelid = $1 AND NOT polpermissive AND polname !~ '^trefoil_'", s.oid).Scan(&names)
	if err != nil || len(names) == 0 {
		return "", err
	}
	return fmt.Sprintf("table %s has restrictive policies (%s) that were made since, and turning its row security off again would undo them; drop them first", s.table, strings.Join(names, ", ")), nil
}

// restoreRows is what Drop does of this.
func restoreRows(ctx context.Context, conn *pgx.Conn, dataset string) error {
	list, err := readSecured(ctx, conn, dataset)
	if err != nil {
		return err
	}
	var statements []string
	for _, s := range list {
		wrong, err := inTheWay(ctx, conn, s)
		if err != nil {
			return err
		}
		if wrong != "" {
			return fault.New(fault.Conflict, "%s", wrong)
		}
		statements = append(statements, restoreSQL(dataset, s)...)
	}
	return inTx(ctx, conn, statements)
}

// policiesOver gives the table and those whose policies read it, and the
// statements that take these policies away until the next apply: PostgreSQL
// refuses to alter a column that a policy uses. The table alone, when it has none.
func policiesOver(ctx context.Context, q Querier, ds *catalog.Dataset, table string) (over []uint32, statements []string, err error) {
	rowsName, _ := policyNames(ds.Name)
	rows, err := q.Query(ctx, `SELECT DISTINCT p.polrelid, format('%I.%I', n.nspname, c.relname)
		FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
		JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE p.polname = $1 AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = to_regclass($2) ORDER BY 2`, rowsName, ident(ds.Schema, table))
	if err != nil {
		return nil, nil, err
	}
	var oid uint32
	var name string
	_, err = pgx.ForEachRow(rows, []any{&oid, &name}, func() error {
		over = append(over, oid)
		statements = append(statements, "DROP POLICY "+ident(rowsName)+" ON "+name,
			fmt.Sprintf("UPDATE trefoil.secured SET policy = '' WHERE dataset = %s AND relation = %d", literal(ds.Name), oid))
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var own uint32
	if err := q.QueryRow(ctx, "SELECT coalesce(to_regclass($1)::oid, 0)", ident(ds.Schema, table)).Scan(&own); err != nil {
		return nil, nil, err
	}
	return append(over, own), statements, nil
}
