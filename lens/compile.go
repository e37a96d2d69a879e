package lens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
)

// Names of lenses and scopes, as in policies, schemas and session roles.
const (
	Masked = "masked"
	Case   = "case"
	Bulk   = "bulk"
)

// Compiled is one lens of a dataset in one scope as SQL for one store. Two
// stores with the same columns compile to the same digest and schema.
type Compiled struct {
	Dataset, Lens, Scope string
	KeyType              string // column type of the scope: int, uuid or text
	Views                []View // in the order of the catalogue
	Digest               string // SHA-256 over views and types, hex
	Schema               string // of the views: clips_masked_case_3f9a01bc
}

// View is one table as the lens shows it.
type View struct {
	Table   string
	Kind    catalog.Kind
	Barrier bool
	SQL     string // the SELECT
	Columns []Column
}

// Column says what becomes of a column.
type Column struct {
	Name          string
	Before, After string // types, as PostgreSQL writes them
	Category      catalog.Category
	Mask          catalog.Mask
}

// Compile gives the lenses that a dataset has in a store, case before bulk.
// problems are sentences about what keeps the dataset from having lenses;
// when there are any, the lenses are not to be used. Any role may call it.
func Compile(ctx context.Context, q Querier, ds *catalog.Dataset) (lenses []*Compiled, problems []string, err error) {
	s, err := readStore(ctx, q, ds.Schema)
	if err != nil {
		return nil, nil, err
	}
	lenses, problems = compileAll(ds, s)
	return lenses, problems, nil
}

func compileAll(ds *catalog.Dataset, s *store) (lenses []*Compiled, problems []string) {
	for _, scope := range []string{Case, Bulk} {
		c := &compiler{ds: ds, store: s, scope: scope}
		lens := c.compile()
		if scope == Case || len(problems) == 0 {
			problems = c.problems
		}
		lenses = append(lenses, lens)
	}
	return lenses, problems
}

// compiler builds one lens. aliases numbers the tables of nested selects.
type compiler struct {
	ds       *catalog.Dataset
	store    *store
	scope    string
	keyType  string
	aliases  int
	problems []string
}

func (c *compiler) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *compiler) compile() *Compiled {
	out := &Compiled{Dataset: c.ds.Name, Lens: Masked, Scope: c.scope}
	subject := c.ds.Subject()
	if col, ok := c.store.column(subject.Name, subject.Key); ok {
		shown, _, _ := c.store.shownType(col.typ)
		if c.keyType = keyType(shown); c.keyType == "" {
			c.problem("the key %s.%s is %s; the key of a subject must be an integer, uuid or text", subject.Name, subject.Key, col.before)
		}
	}
	out.KeyType = c.keyType
	h := sha256.New()
	fmt.Fprintf(h, "trefoil/lens/v1\n%s %s %s %s\n", out.Dataset, out.Lens, out.Scope, out.KeyType)
	for _, t := range c.ds.Tables {
		if c.store.tables[t.Name] == nil {
			c.problem("table %s.%s is in the catalogue and not in the store", c.ds.Schema, t.Name)
			continue
		}
		v := c.view(t)
		fmt.Fprintf(h, "view %q barrier %t\n%s\n", v.Table, v.Barrier, v.SQL)
		for _, col := range v.Columns {
			fmt.Fprintf(h, "column %q %q\n", col.Name, col.After)
		}
		out.Views = append(out.Views, v)
	}
	out.Digest = hex.EncodeToString(h.Sum(nil))
	out.Schema = strings.Join([]string{out.Dataset, out.Lens, out.Scope, out.Digest[:8]}, "_")
	return out
}

// view writes the SELECT of a table: in bulk its rows, in case one branch for
// each path to a subject of the grant.
func (c *compiler) view(t *catalog.Table) View {
	v := View{Table: t.Name, Kind: t.Kind}
	c.aliases = 0
	from := " FROM " + ident(c.ds.Schema, t.Name) + " t"
	if c.scope == Bulk || t.Kind == catalog.Reference {
		list, columns := c.columns(t, -1)
		v.Columns, v.SQL = columns, "SELECT "+list+from
		return v
	}
	v.Barrier = true
	if t.Kind == catalog.Subject {
		list, columns := c.columns(t, -1)
		v.Columns = columns
		v.SQL = "SELECT " + list + from + " WHERE " + c.in("t."+ident(t.Key), c.scopeKeys())
		return v
	}
	var branches []string
	for i, p := range t.Paths {
		list, columns := c.columns(t, i)
		v.Columns = columns
		where := c.in("t."+ident(p.Column), c.keysOf(p.Parent, p.ParentColumn))
		for _, before := range t.Paths[:i] { // NOT EXISTS is true of NULL, which NOT IN is not
			where += " AND NOT EXISTS (SELECT FROM (" + c.keysOf(before.Parent, before.ParentColumn) + ") x(k) WHERE x.k = t." + ident(before.Column) + ")"
		}
		branches = append(branches, "SELECT "+list+from+" WHERE "+where)
	}
	v.SQL = strings.Join(branches, "\nUNION ALL\n")
	return v
}

func (c *compiler) in(expr, keys string) string { return expr + " IN (" + keys + ")" }

// grant is the number of the grant that the session serves.
const grant = "(SELECT e.grant_id FROM trefoil.session e WHERE e.role = session_user)"

// scopeKeys selects the keys of the subjects of the session's grant.
func (c *compiler) scopeKeys() string {
	key := "s.key_" + c.keyType
	return "SELECT " + key + " FROM trefoil.scope s WHERE s.grant_id = " + grant + " AND " + key + " IS NOT NULL"
}

// keysOf selects a column of the rows of a table that belong to subjects of the
// grant. The subject's own key needs no look at the subject's table.
func (c *compiler) keysOf(table, column string) string {
	t := c.ds.Table(table)
	if t.Kind == catalog.Subject && column == t.Key {
		return c.scopeKeys()
	}
	var branches []string
	add := func(own, keys string) {
		c.aliases++
		a := fmt.Sprintf("p%d", c.aliases)
		branches = append(branches, "SELECT "+a+"."+ident(column)+" FROM "+ident(c.ds.Schema, table)+" "+a+
			" WHERE "+c.in(a+"."+ident(own), keys))
	}
	if t.Kind == catalog.Subject {
		add(t.Key, c.scopeKeys())
	}
	for _, p := range t.Paths {
		add(p.Column, c.keysOf(p.Parent, p.ParentColumn))
	}
	return strings.Join(branches, " UNION ALL ")
}

// columns writes the select list of a table in branch (an index of its paths,
// -1 for none), in the order of the store.
func (c *compiler) columns(t *catalog.Table, branch int) (list string, columns []Column) {
	var parts []string
	for _, sc := range c.store.tables[t.Name] {
		cc, ok := t.Column(sc.name)
		if !ok {
			continue
		}
		col := Column{Name: cc.Name, Before: sc.before, Category: cc.Category, Mask: cc.Mask}
		x := "t." + ident(sc.name)
		shown, cast, ok := c.store.shownType(sc.typ)
		if cast {
			x += "::" + shown
		}
		switch {
		case !ok && cc.Mask != catalog.Hide:
			c.problem("column %s.%s is %s, which no lens can show; give it a category that fits and the mask hide", t.Name, sc.name, sc.before)
			continue
		case !ok:
			x, col.After = "NULL::text", "text"
		case cc.Category == catalog.SubjectKey:
			x, col.After = c.subjectKey(t, branch, sc.name, x, shown)
		default:
			expr, after, fits := maskSQL(cc.Mask, x, shown)
			if !fits {
				c.problem("column %s.%s is %s, to which the mask %s cannot be applied", t.Name, sc.name, sc.before, cc.Mask)
				continue
			}
			x, col.After = expr, after
		}
		parts = append(parts, x+" AS "+ident(sc.name))
		columns = append(columns, col)
	}
	if len(columns) < len(t.Columns) {
		c.missing(t)
	}
	return strings.Join(parts, ", "), columns
}

// missing reports the columns of the catalogue that the store lacks.
func (c *compiler) missing(t *catalog.Table) {
	for _, cc := range t.Columns {
		text := fmt.Sprintf("column %s.%s is in the catalogue and not in the store", t.Name, cc.Name)
		if _, ok := c.store.column(t.Name, cc.Name); !ok && !contains(c.problems, text) {
			c.problems = append(c.problems, text)
		}
	}
}

// subjectKey shows a key that names a subject: as it is when the subject is in
// scope, otherwise as a pseudonym.
func (c *compiler) subjectKey(t *catalog.Table, branch int, name, x, shown string) (expr, after string) {
	if c.keyType == "" || keyType(shown) != c.keyType {
		c.problem("column %s.%s is %s and cannot hold the key of a subject", t.Name, name, shown)
		return "NULL::" + shown, shown
	}
	if c.scope == Bulk || t.Kind == catalog.Reference || t.Kind == catalog.Subject && name == t.Key {
		return x, shown
	}
	subject := c.ds.Subject()
	direct := func(i int) bool {
		return t.Paths[i].Column == name && t.Paths[i].Parent == subject.Name && t.Paths[i].ParentColumn == subject.Key
	}
	if len(t.Paths) == 1 && direct(0) {
		return x, shown // every visible row names a subject in scope
	}
	after = pseudonymType(c.keyType)
	raw := x
	if shown != after {
		raw += "::" + after
	}
	hidden := c.pseudonym(x)
	for i := range t.Paths {
		switch {
		case i == branch && direct(i):
			return raw, after
		case i < branch && direct(i):
			return "CASE WHEN " + x + " IS NOT NULL THEN " + hidden + " END", after
		}
	}
	return "CASE WHEN " + x + " IS NULL THEN NULL WHEN EXISTS (SELECT FROM (" + c.scopeKeys() + ") x(k) WHERE x.k = " + x + ") THEN " + raw +
		" ELSE " + hidden + " END", after
}

// ident quotes a name, or a schema and a name.
func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// literal quotes a text for a server with standard_conforming_strings.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
