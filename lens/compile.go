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
	Clear        = "clear"
	Masked       = "masked"
	Pseudonymous = "pseudonymous"
	Case         = "case"
	Bulk         = "bulk"
)

// Names lists the lenses that stores have, from most to least revealing.
func Names() []string { return []string{Clear, Masked, Pseudonymous} }

// Compiled is one lens of a dataset in one scope as SQL for one store. Two
// stores with the same columns compile to the same digest and schema.
type Compiled struct {
	Dataset, Lens, Scope string
	KeyType              string // column type of the scope: int, uuid or text
	Pads                 bool   // its views compute pseudonyms, so sessions bring the grant's padded keys
	Views                []View // in the order of the catalogue; tables that are in no such lens are left out
	Digest               string // SHA-256 over views and types, hex
	Schema               string // of the views: clips_masked_case_3f9a01bc
	subject              string // subjectType of the dataset
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
	Mask          catalog.Mask // keep for a key that is shown, pseudonym for one that is or may be replaced
	Minor         catalog.Mask // in rows of minors; the same as Mask when they are shown alike
}

// Compile gives the lenses that a dataset has in a store: those of Names that
// the catalogue gives it, in their order, each in case before bulk. problems are sentences about what keeps
// the dataset from having lenses; when there are any, the lenses are not to be
// used. Any role may call it.
func Compile(ctx context.Context, q Querier, ds *catalog.Dataset) (lenses []*Compiled, problems []string, err error) {
	s, err := readStore(ctx, q, ds.Schema)
	if err != nil {
		return nil, nil, err
	}
	lenses, problems = compileAll(ds, s)
	return lenses, problems, nil
}

func compileAll(ds *catalog.Dataset, s *store) (lenses []*Compiled, problems []string) {
	seen := map[string]bool{}
	for _, level := range catalog.Lenses() {
		if !ds.In(level) {
			continue
		}
		for _, scope := range []string{Case, Bulk} {
			c := &compiler{ds: ds, store: s, level: level, scope: scope}
			lenses = append(lenses, c.compile())
			for _, p := range c.problems {
				if !seen[p] {
					seen[p] = true
					problems = append(problems, p)
				}
			}
		}
	}
	return lenses, problems
}

// Find gives the lens of a name and scope, or nil.
func Find(lenses []*Compiled, name, scope string) *Compiled {
	for _, c := range lenses {
		if c.Lens == name && c.Scope == scope {
			return c
		}
	}
	return nil
}

// compiler builds one lens. aliases numbers the tables of nested selects.
type compiler struct {
	ds       *catalog.Dataset
	store    *store
	level    catalog.Level
	scope    string
	keyType  string
	pads     bool
	aliases  int
	problems []string
}

func (c *compiler) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *compiler) compile() *Compiled {
	out := &Compiled{Dataset: c.ds.Name, Lens: c.level.String(), Scope: c.scope, subject: subjectType(c.ds)}
	subject := c.ds.Subject()
	if col, ok := c.store.column(subject.Name, subject.Key); ok {
		shown, _, _ := c.store.shownType(col.typ)
		if c.keyType = keyType(shown); c.keyType == "" {
			c.problem("the key %s.%s is %s; the key of a subject must be an integer, uuid or text", subject.Name, subject.Key, col.before)
		}
	}
	out.KeyType = c.keyType
	c.checkMinor()
	h := sha256.New()
	fmt.Fprintf(h, "trefoil/lens/v1\n%s %s %s %s\n", out.Dataset, out.Lens, out.Scope, out.KeyType)
	for _, t := range c.ds.Tables {
		if c.store.tables[t.Name] == nil {
			c.problem("table %s.%s is in the catalogue and not in the store", c.ds.Schema, t.Name)
			continue
		}
		c.missing(t)
		if !t.In(c.level) {
			continue
		}
		v := c.view(t)
		fmt.Fprintf(h, "view %q barrier %t\n%s\n", v.Table, v.Barrier, v.SQL)
		for _, col := range v.Columns {
			fmt.Fprintf(h, "column %q %q\n", col.Name, col.After)
		}
		out.Views = append(out.Views, v)
	}
	for _, t := range c.ds.Tables {
		if sql := rowsOf(c.ds, t); sql != "" {
			fmt.Fprintf(h, "rows %q\n%s\n", t.Name, sql)
		}
	}
	out.Pads = c.pads
	out.Digest = hex.EncodeToString(h.Sum(nil))
	out.Schema = strings.Join([]string{out.Dataset, out.Lens, out.Scope, out.Digest[:8]}, "_")
	return out
}

// view writes the SELECT of a table: in bulk its rows, in case one branch for
// each path to a subject of the grant.
func (c *compiler) view(t *catalog.Table) View {
	v := View{Table: t.Name, Kind: t.Kind}
	c.aliases = 0
	if c.scope == Bulk || t.Kind == catalog.Reference {
		list, columns := c.columns(t, -1)
		v.Columns, v.SQL = columns, "SELECT "+list+" FROM "+ident(c.ds.Schema, t.Name)+" t"
		if rowsOf(c.ds, t) != "" {
			v.SQL += fenced
		}
		return v
	}
	v.Barrier = true
	var branches []string
	for i := range max(1, len(t.Paths)) {
		list, columns := c.columns(t, i)
		v.Columns = columns
		branches = append(branches, "SELECT "+list+c.rows(t, i))
	}
	v.SQL = strings.Join(branches, "\nUNION ALL\n") + fenced
	return v
}

// fenced ends a view that hides rows: it keeps every condition of the reader's above
// the view. A security barrier, or row security, lets those through that PostgreSQL
// takes for leakproof, among them
//
//	CASE WHEN email >= 'm' THEN 1 / (random() * 0) END IS NULL
//
// since its division mentions no column: it ran on hidden rows, and its error told
// their values letter by letter.
const fenced = "\nOFFSET 0"

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
