package lens

import (
	"context"
	"crypto/sha256"
	_ "embed" // the schema trefoil stands in a file of its own
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
)

//go:embed base.sql
var baseSQL string

// Options of a plan.
type Options struct {
	// GateVerifier is the ready SCRAM-SHA-256 verifier of the password with which
	// the gate logs in as trefoil_gate; empty leaves the password as it is.
	GateVerifier string
	// ReplacePassword lets it take the place of another one, which locks out
	// whoever uses that.
	ReplacePassword bool
}

// Step is one statement of a plan, or several that belong together.
type Step struct {
	Section string // roles, fence, schema trefoil, lens …
	SQL     string
	role    string // of the lens it builds, empty for what all share
}

// Plan is what Apply would do to one store for one dataset, and why.
type Plan struct {
	Dataset  string
	Database string
	Version  string      // of the server
	Fence    []Held      // what PUBLIC holds and would lose
	Lenses   []*Compiled // as the catalogue and the store's columns want them
	State    []string    // beside each lens: "new", "in force", "changed", "drifted"
	Drift    []string    // what no longer stands as it was applied
	Problems []string    // why Apply would refuse; sentences
	Warnings []string    // what works but should be known
	Report   Report      // catalogue against store
	Old      []string    // schemas that go when their last session ends
	Steps    []Step

	ds     *catalog.Dataset
	viewer string
}

// Empty tells whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// NewPlan compares a dataset of the catalogue with a store and changes nothing.
// The connection is a superuser's in the store's database.
func NewPlan(ctx context.Context, conn *pgx.Conn, ds *catalog.Dataset, o Options) (*Plan, error) {
	tx, err := begin(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx)
	return newPlan(ctx, tx, ds, o)
}

// begin starts a transaction in which names and literals are written one way.
func begin(ctx context.Context, conn *pgx.Conn, o pgx.TxOptions) (pgx.Tx, error) {
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, set := range []string{"search_path = pg_catalog", "standard_conforming_strings = on", "lock_timeout = '2s'", "quote_all_identifiers = off"} {
		if _, err := tx.Exec(ctx, "SET LOCAL "+set); err != nil {
			tx.Rollback(ctx)
			return nil, err
		}
	}
	return tx, nil
}

func newPlan(ctx context.Context, q Querier, ds *catalog.Dataset, o Options) (*Plan, error) {
	p := &Plan{Dataset: ds.Name, ds: ds}
	b := &builder{q: q, plan: p, ds: ds}
	password := func(ctx context.Context) error { return b.gatePassword(ctx, o) }
	for _, step := range []func(context.Context) error{b.server, b.catalogue, b.roles, password, b.fence, b.schema, b.rowSecurity, b.lenses} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// builder fills a plan, section by section.
type builder struct {
	q       Querier
	plan    *Plan
	ds      *catalog.Dataset
	section string
	role    string // of the lens that is being built
	rebuild bool   // the schema trefoil is made or renewed
}

func (b *builder) step(format string, args ...any) {
	b.plan.Steps = append(b.plan.Steps, Step{b.section, fmt.Sprintf(format, args...), b.role})
}

// server looks at what every other step depends on.
func (b *builder) server(ctx context.Context) error {
	var super bool
	err := b.q.QueryRow(ctx, "SELECT current_database(), rolsuper FROM pg_roles WHERE rolname = current_user").Scan(&b.plan.Database, &super)
	if err != nil {
		return err
	}
	if !super {
		b.plan.Problems = append(b.plan.Problems, "the connection's role is not a superuser, and only one can take privileges from PUBLIC in pg_catalog")
	}
	var problem string
	if b.plan.Version, problem, err = version(ctx, b.q); err != nil {
		return err
	}
	if problem != "" {
		b.plan.Problems = append(b.plan.Problems, problem)
	}
	// Databases of one cluster share its roles.
	b.plan.viewer = "trefoil_v_" + b.ds.Name + "_" + tag(b.plan.Database)
	return b.otherDatabases(ctx)
}

func (b *builder) otherDatabases(ctx context.Context) error {
	rows, err := b.q.Query(ctx, `SELECT d.datname FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
		WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT' AND d.datallowconn AND d.datname <> current_database() ORDER BY 1`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if len(names) > 0 {
		b.plan.Warnings = append(b.plan.Warnings, "PUBLIC may connect to other databases of this cluster ("+strings.Join(names, ", ")+
			"); a session role whose secret leaked could log in there: limit the gate's host to this database in pg_hba.conf")
	}
	return err
}

func (b *builder) catalogue(ctx context.Context) error {
	s, err := readStore(ctx, b.q, b.ds.Schema)
	if err != nil {
		return err
	}
	var problems []string
	b.plan.Lenses, problems = compileAll(b.ds, s)
	b.plan.Problems = append(b.plan.Problems, problems...)
	b.plan.Report = against(b.ds, s)
	if c := Find(b.plan.Lenses, Pseudonymous, Bulk); c != nil && c.Pads {
		b.plan.Warnings = append(b.plan.Warnings, "in pseudonymous/bulk a look-up by pseudonym reads the whole table, since no index holds a pseudonym")
	}
	return nil
}

// attributes of Trefoil's own roles. trefoil_owner can make roles, and only the
// functions in base.sql can be it.
var attributes = []struct{ role, want string }{
	{publicRole, "NOLOGIN INHERIT NOCREATEROLE"},
	{"trefoil_owner", "NOLOGIN INHERIT CREATEROLE"},
	{"trefoil_gate", "LOGIN INHERIT NOCREATEROLE"},
}

const never = " NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS"

func (b *builder) roles(ctx context.Context) error {
	b.section = "roles"
	all, _, err := ordinaryRoles(ctx, b.q)
	if err != nil {
		return err
	}
	for _, r := range append(attributes[:len(attributes):len(attributes)], struct{ role, want string }{b.plan.viewer, "NOLOGIN NOINHERIT NOCREATEROLE"}) {
		have, exists, err := roleAttributes(ctx, b.q, r.role)
		if err != nil {
			return err
		}
		switch {
		case !exists:
			b.step("CREATE ROLE %s %s%s", ident(r.role), r.want, never)
			if r.role == publicRole && len(all) > 0 {
				b.step("GRANT %s TO %s", publicRole, identList(all))
			}
		case have != r.want:
			b.step("ALTER ROLE %s %s%s", ident(r.role), r.want, never)
		}
	}
	return nil
}

// roleAttributes gives a role's attributes in the words of CREATE ROLE, or
// something that equals none of them.
func roleAttributes(ctx context.Context, q Querier, role string) (have string, exists bool, err error) {
	rows, err := q.Query(ctx, `SELECT concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
		CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, CASE WHEN rolsuper OR rolcreatedb OR rolreplication OR rolbypassrls THEN 'AND MORE' END)
		FROM pg_roles WHERE rolname = $1`, role)
	if err != nil {
		return "", false, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(list) == 0 {
		return "", false, err
	}
	return list[0], true, nil
}

func (b *builder) fence(ctx context.Context) error {
	b.section = "fence"
	var err error
	if b.plan.Fence, err = held(ctx, b.q, 0); err != nil {
		return err
	}
	_, direct, err := ordinaryRoles(ctx, b.q)
	if err != nil {
		return err
	}
	to := []string{publicRole}
	for _, r := range direct {
		to = append(to, ident(r))
	}
	var plain []Held
	for _, h := range b.plan.Fence {
		if h.Kind != "function sources" {
			plain = append(plain, h)
			continue
		}
		columns, err := sourceColumns(ctx, b.q)
		if err != nil {
			return err
		}
		b.step("GRANT SELECT ON pg_catalog.pg_proc TO %s", strings.Join(to, ", "))
		b.step("REVOKE SELECT ON pg_catalog.pg_proc FROM PUBLIC")
		b.step("GRANT SELECT (%s) ON pg_catalog.pg_proc TO PUBLIC", columns)
	}
	for _, sql := range fenceSQL(plain, "PUBLIC", to) {
		b.step("%s", sql)
	}
	defaults, err := defaultPrivileges(ctx, b.q)
	for _, sql := range defaults {
		b.step("%s", sql)
	}
	return err
}

// baseMark is the comment by which a later plan knows which base.sql stands.
func baseMark() string {
	sum := sha256.Sum256([]byte(baseSQL))
	return "Trefoil: lenses and sessions (" + hex.EncodeToString(sum[:6]) + ")"
}

func (b *builder) schema(ctx context.Context) error {
	b.section = "schema trefoil"
	var mark string
	err := b.q.QueryRow(ctx, "SELECT coalesce(obj_description(to_regnamespace('trefoil'), 'pg_namespace'), '')").Scan(&mark)
	if err != nil {
		return err
	}
	drift, err := b.drift(ctx)
	if err != nil {
		return err
	}
	b.plan.Drift = drift
	for _, d := range drift {
		b.rebuild = b.rebuild || shared(d)
	}
	if b.rebuild = b.rebuild || mark != baseMark(); !b.rebuild {
		return nil
	}
	b.step("%s", baseSQL)
	b.step("GRANT CONNECT ON DATABASE %s TO trefoil_gate", ident(b.plan.Database))
	b.step("COMMENT ON SCHEMA trefoil IS %s", literal(baseMark()))
	return nil
}

func (b *builder) gatePassword(ctx context.Context, o Options) error {
	if o.GateVerifier == "" {
		return nil
	}
	var old string
	err := b.q.QueryRow(ctx, "SELECT coalesce((SELECT rolpassword FROM pg_authid WHERE rolname = 'trefoil_gate'), '')").Scan(&old)
	if err != nil || old == o.GateVerifier {
		return err
	}
	if old != "" && !o.ReplacePassword {
		b.plan.Problems = append(b.plan.Problems, "role trefoil_gate has another password than the configuration's: another instance may serve this store, and would be locked out; --replace-password takes its place")
		return nil
	}
	b.step("ALTER ROLE trefoil_gate PASSWORD %s", literal(o.GateVerifier))
	return nil
}

// tag is eight hexadecimal digits that tell names apart.
func tag(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:4])
}

func identList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}
