package lens

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// standing is a row of trefoil.lens.
type standing struct {
	role, schema, lens, scope, digest string
	inForce                           bool
	sessions                          int
}

// standingLenses lists what stands for a dataset; nothing when the schema
// trefoil is not there yet.
func standingLenses(ctx context.Context, q Querier, dataset string) ([]standing, error) {
	var there bool
	if err := q.QueryRow(ctx, "SELECT to_regclass('trefoil.lens') IS NOT NULL").Scan(&there); err != nil || !there {
		return nil, err
	}
	rows, err := q.Query(ctx, `SELECT l.role, l.schema, l.lens, l.scope, l.digest, l.in_force,
		(SELECT count(*)::int FROM trefoil.session s WHERE s.lens = l.role)
		FROM trefoil.lens l WHERE l.dataset = $1 ORDER BY l.made, l.schema`, dataset)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s standing, err error) {
		err = row.Scan(&s.role, &s.schema, &s.lens, &s.scope, &s.digest, &s.inForce, &s.sessions)
		return s, err
	})
}

// drift lists what is no longer as it was applied, over all lenses in force.
func (b *builder) drift(ctx context.Context) ([]string, error) {
	list, err := standingLenses(ctx, b.q, b.ds.Name)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, s := range list {
		if !s.inForce {
			continue
		}
		diff, err := b.driftOf(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, d := range diff {
			if !contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all, nil
}

func (b *builder) driftOf(ctx context.Context, s standing) ([]string, error) {
	var there bool
	if err := b.q.QueryRow(ctx, "SELECT to_regprocedure('trefoil.lens_in_force(text,text,text)') IS NOT NULL").Scan(&there); err != nil {
		return nil, err
	}
	if !there {
		return []string{"function trefoil.lens_in_force is gone"}, nil
	}
	_, err := Fingerprint(ctx, b.q, b.ds.Name, s.lens, s.scope)
	var e *fault.Error
	if errors.As(err, &e) && e.Kind == fault.Conflict {
		return e.Detail, nil
	}
	return nil, err
}

// lenses adds the steps for each lens that does not stand as it should.
func (b *builder) lenses(ctx context.Context) error {
	list, err := standingLenses(ctx, b.q, b.ds.Name)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	build := make([]bool, len(b.plan.Lenses))
	b.plan.State = make([]string, len(b.plan.Lenses))
	any := false
	for i, c := range b.plan.Lenses {
		wanted[c.Schema] = true
		b.plan.State[i] = "new"
		for _, s := range list {
			if s.lens != c.Lens || s.scope != c.Scope || !s.inForce {
				continue
			}
			if s.digest != c.Digest {
				b.plan.State[i] = "changed"
				continue
			}
			b.plan.State[i] = "in force"
			for _, d := range b.plan.Drift {
				if !shared(d) { // which of the lenses drifted does not matter: both share the viewer
					b.plan.State[i] = "drifted"
				}
			}
		}
		build[i] = b.plan.State[i] != "in force"
		any = any || build[i]
	}
	for _, s := range list {
		if !wanted[s.schema] {
			b.plan.Old = append(b.plan.Old, fmt.Sprintf("%s (%d open sessions)", s.schema, s.sessions))
		}
	}
	if len(b.plan.Problems) > 0 {
		return nil
	}
	b.section = "lenses no longer in the catalogue"
	for _, s := range list {
		if s.inForce && Find(b.plan.Lenses, s.lens, s.scope) == nil {
			b.step("UPDATE trefoil.lens SET in_force = false WHERE role = %s", literal(s.role))
		}
	}
	if !any {
		return nil
	}
	b.section = "view owner"
	if err := b.viewerGrants(ctx); err != nil {
		return err
	}
	for i, c := range b.plan.Lenses {
		if build[i] {
			if err := b.lens(ctx, c, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// viewerGrants lets the owner of the views read the classified columns and what
// case views look up, and nothing it could read before.
func (b *builder) viewerGrants(ctx context.Context) error {
	rows, err := b.q.Query(ctx, `SELECT DISTINCT n.nspname, c.relname FROM pg_shdepend s JOIN pg_class c ON c.oid = s.objid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND s.deptype = 'a'
		AND s.classid = 'pg_class'::regclass AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2`, b.plan.viewer)
	if err != nil {
		return err
	}
	viewer := ident(b.plan.viewer)
	var schema, table string
	_, err = pgx.ForEachRow(rows, []any{&schema, &table}, func() error {
		b.step("REVOKE ALL ON TABLE %s FROM %s", ident(schema, table), viewer)
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range b.ds.Tables { // in every table, since paths may go through one that is in no lens
		var columns []string
		for _, c := range t.Columns {
			if c.Category != catalog.Credential { // which no lens reads
				columns = append(columns, c.Name)
			}
		}
		if len(columns) == 0 {
			columns = []string{t.Columns[0].Name} // to count rows takes the right to one
		}
		b.step("GRANT SELECT (%s) ON TABLE %s TO %s", identList(columns), ident(b.ds.Schema, t.Name), viewer)
	}
	b.step("GRANT SELECT ON TABLE trefoil.session TO %s", viewer)
	b.step("GRANT SELECT ON TABLE trefoil.scope TO %s", viewer)
	return nil
}

// lens adds the steps that build one schema of views and put it in force.
func (b *builder) lens(ctx context.Context, c *Compiled, list []standing) error {
	b.section = "lens " + c.Lens + "/" + c.Scope
	role := "trefoil_l_" + strings.Join([]string{c.Dataset, c.Lens, c.Scope, tag(c.Digest, b.plan.Database)}, "_")
	b.role = role
	defer func() { b.role = "" }()
	known := false
	for _, s := range list {
		known = known || s.schema == c.Schema
	}
	_, roleExists, err := roleAttributes(ctx, b.q, role)
	if err != nil {
		return err
	}
	if roleExists && !known { // left by a database of the same name
		b.step("DROP OWNED BY %s", ident(role))
		b.step("DROP ROLE %s", ident(role))
		roleExists = false
	}
	if !roleExists {
		b.step("CREATE ROLE %s NOLOGIN NOINHERIT NOCREATEROLE%s", ident(role), never)
	} else {
		b.step("DROP OWNED BY %s", ident(role)) // takes back whatever it was given
		b.step("ALTER ROLE %s NOLOGIN NOINHERIT NOCREATEROLE%s", ident(role), never)
	}
	b.step("GRANT %s TO trefoil_owner WITH ADMIN OPTION", ident(role))
	b.step("DROP SCHEMA IF EXISTS %s CASCADE", ident(c.Schema))
	b.step("CREATE SCHEMA %s AUTHORIZATION %s", ident(c.Schema), ident(b.plan.viewer))
	for _, v := range c.Views {
		with := ""
		if v.Barrier {
			with = " WITH (security_barrier)"
		}
		name := ident(c.Schema, v.Table)
		b.step("CREATE VIEW %s%s AS\n%s%s;\nALTER VIEW %s OWNER TO %s", name, with, described(v), v.SQL, name, ident(b.plan.viewer))
	}
	b.step("GRANT SELECT ON ALL TABLES IN SCHEMA %s TO %s", ident(c.Schema), ident(role))
	b.step("GRANT USAGE ON SCHEMA %s TO %s", ident(c.Schema), ident(role))
	b.step("GRANT CONNECT ON DATABASE %s TO %s", ident(b.plan.Database), ident(role))
	b.step("UPDATE trefoil.lens SET in_force = false WHERE dataset = %s AND lens = %s AND scope = %s AND in_force",
		literal(c.Dataset), literal(c.Lens), literal(c.Scope))
	b.step("INSERT INTO trefoil.lens (role, schema, dataset, lens, scope, digest, key_type, pads, in_force) VALUES (%s, %s, %s, %s, %s, %s, %s, %t, true)"+
		" ON CONFLICT (role) DO UPDATE SET in_force = true",
		literal(role), literal(c.Schema), literal(c.Dataset), literal(c.Lens), literal(c.Scope), literal(c.Digest), literal(c.KeyType), c.Pads)
	return nil
}

// described says in comments what becomes of each column, for those who read
// the statements before they are run.
func described(v View) string {
	var out strings.Builder
	for _, c := range v.Columns {
		line := fmt.Sprintf("%s %s: %s/%s", c.Name, c.Before, c.Category, c.Mask)
		if c.Minor != c.Mask {
			line += ", minors " + string(c.Minor)
		}
		if c.Before != c.After {
			line += ", shown as " + c.After
		}
		// A name with a line break in it must not end the comment.
		out.WriteString("-- " + strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, line) + "\n")
	}
	return out.String()
}
