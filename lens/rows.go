package lens

import (
	"fmt"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// grant is the number of the grant that the session serves.
const grant = "(SELECT e.grant_id FROM trefoil.session e WHERE e.role = session_user)"

// scopeKey is the column of trefoil.scope, as s, that holds the keys.
func (c *compiler) scopeKey() string { return "s.key_" + c.keyType }

// scopeKeys selects the keys of the subjects of the session's grant.
func (c *compiler) scopeKeys() string {
	return "SELECT " + c.scopeKey() + " FROM trefoil.scope s WHERE s.grant_id = " + grant + " AND " + c.scopeKey() + " IS NOT NULL"
}

// rows is everything after the select list of one branch of a case view: the
// subject's own rows, or those that path i reaches and no path before it.
func (c *compiler) rows(t *catalog.Table, i int) string {
	from := " FROM " + ident(c.ds.Schema, t.Name) + " t"
	if c.joined(t, i) {
		own := t.Key
		if t.Kind != catalog.Subject {
			own = t.Paths[i].Columns[0]
		}
		from += " JOIN trefoil.scope s ON s.grant_id = " + grant + " AND " + c.scopeKey() + " = t." + ident(own)
	} else if t.Kind == catalog.Subject {
		from += " WHERE " + in("t", []string{t.Key}, c.scopeKeys())
	} else {
		from += " WHERE " + in("t", t.Paths[i].Columns, c.keysOf(t.Paths[i].Parent, t.Paths[i].ParentColumns))
	}
	if t.Kind == catalog.Subject {
		return from
	}
	for k, before := range t.Paths[:i] { // NOT EXISTS is true of NULL, which NOT IN is not
		word := " AND "
		if k == 0 && c.joined(t, i) {
			word = " WHERE "
		}
		from += word + "NOT EXISTS (SELECT FROM (" + c.keysOf(before.Parent, before.ParentColumns) + ") x(" + numbered("", len(before.Columns)) + ") WHERE " + equal("x", nil, "t", before.Columns) + ")"
	}
	return from
}

// joined tells whether a branch joins the scope, instead of asking whether the
// key is in it: a pseudonymous lens shows what the gate wrote there, and a
// look-up by pseudonym uses the scope's index.
func (c *compiler) joined(t *catalog.Table, i int) bool {
	return c.level >= catalog.Pseudonymous && c.scope == Case &&
		(t.Kind == catalog.Subject || len(t.Paths) > 0 && len(t.Paths[i].Columns) == 1 && c.direct(t, i, t.Paths[i].Columns[0]))
}

// direct tells whether path i of a table says that column is the subject's key.
func (c *compiler) direct(t *catalog.Table, i int, column string) bool {
	subject := c.ds.Subject()
	p := t.Paths[i]
	for k := range p.Columns {
		if p.Parent == subject.Name && p.ParentColumns[k] == subject.Key && p.Columns[k] == column {
			return true
		}
	}
	return false
}

// keysOf selects columns of the rows of a table that belong to subjects of the
// grant. The subject's own key needs no look at the subject's table.
func (c *compiler) keysOf(table string, columns []string) string {
	t := c.ds.Table(table)
	if t.Kind == catalog.Subject && len(columns) == 1 && columns[0] == t.Key {
		return c.scopeKeys()
	}
	var branches []string
	add := func(own []string, keys string) {
		c.aliases++
		a := fmt.Sprintf("p%d", c.aliases)
		branches = append(branches, "SELECT "+list(a, columns)+" FROM "+ident(c.ds.Schema, table)+" "+a+" WHERE "+in(a, own, keys))
	}
	if t.Kind == catalog.Subject {
		add([]string{t.Key}, c.scopeKeys())
	}
	for _, p := range t.Paths {
		add(p.Columns, c.keysOf(p.Parent, p.ParentColumns))
	}
	return strings.Join(branches, " UNION ALL ")
}

// minor is the condition that a row of a table, under an alias, is a minor's:
// one of the subjects it belongs to is one, or is not known not to be.
func (c *compiler) minor(t *catalog.Table, alias string) string {
	if t.Kind == catalog.Subject {
		x := alias + "." + ident(t.Minor.Column)
		if t.Minor.Under > 0 {
			// In UTC, so that a session's time zone makes nobody older.
			if col, ok := c.store.column(t.Name, t.Minor.Column); ok {
				if shown, _, _ := c.store.shownType(col.typ); family(shown) == "timestamptz" {
					x += " AT TIME ZONE 'UTC'"
				}
			}
			// The date is cast, never the column: a cast fails on values out of range and says so.
			x = fmt.Sprintf("(%s) > ((now() AT TIME ZONE 'UTC')::date - interval '%d years')::date", x, t.Minor.Under)
		}
		return "(" + x + ") IS NOT FALSE"
	}
	var any []string
	for _, p := range t.Paths {
		c.aliases++
		a := fmt.Sprintf("m%d", c.aliases)
		any = append(any, "EXISTS (SELECT FROM "+ident(c.ds.Schema, p.Parent)+" "+a+" WHERE "+equal(a, p.ParentColumns, alias, p.Columns)+
			" AND "+c.minor(c.ds.Table(p.Parent), a)+")")
	}
	return "(" + strings.Join(any, " OR ") + ")"
}

// checkMinor looks whether the store's column can say who is a minor.
func (c *compiler) checkMinor() {
	m := c.ds.Subject().Minor
	col, ok := c.store.column(c.ds.Subject().Name, m.Column)
	if m.Column == "" || !ok {
		return // missing columns are reported as such
	}
	shown, _, _ := c.store.shownType(col.typ)
	f := family(shown)
	if m.Under == 0 && f != "boolean" || m.Under > 0 && f != "date" && f != "timestamp" && f != "timestamptz" {
		c.problem("column %s.%s is %s and cannot say who is a minor; a boolean can, or a date with under", c.ds.Subject().Name, m.Column, col.before)
	}
}

// in is the condition that columns of an alias are among selected keys.
func in(alias string, columns []string, keys string) string {
	x := list(alias, columns)
	if len(columns) > 1 {
		x = "(" + x + ")"
	}
	return x + " IN (" + keys + ")"
}

// list names columns of an alias.
func list(alias string, columns []string) string {
	quoted := make([]string, len(columns))
	for i, n := range columns {
		quoted[i] = alias + "." + ident(n)
	}
	return strings.Join(quoted, ", ")
}

// numbered gives k1, k2 … with a prefix.
func numbered(prefix string, n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%sk%d", prefix, i+1)
	}
	return strings.Join(names, ", ")
}

// equal is the condition that columns of two aliases are equal, one by one; the
// columns of a are k1, k2 … when they are nil.
func equal(a string, as []string, b string, bs []string) string {
	conditions := make([]string, len(bs))
	for i := range bs {
		left := fmt.Sprintf("%s.k%d", a, i+1)
		if as != nil {
			left = a + "." + ident(as[i])
		}
		conditions[i] = left + " = " + b + "." + ident(bs[i])
	}
	return strings.Join(conditions, " AND ")
}
