package lens

import (
	"fmt"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// columns writes the select list of a table in a branch (an index of its paths,
// -1 for none), in the order of the store.
func (c *compiler) columns(t *catalog.Table, branch int) (list string, columns []Column) {
	minors := c.ds.Subject().Minor.Column != "" && t.Kind != catalog.Reference
	var parts []string
	for _, sc := range c.store.tables[t.Name] {
		cc, ok := t.Column(sc.name)
		if !ok {
			continue
		}
		col := Column{Name: cc.Name, Before: sc.before, Category: cc.Category, Mask: cc.Shown(c.level)}
		col.Minor = col.Mask
		if cc.Category == catalog.SubjectKey {
			shown, cast, _ := c.store.shownType(sc.typ)
			x := castTo("t."+ident(sc.name), shown, cast)
			x, col.After, col.Mask = c.subjectKey(t, branch, sc.name, x, shown)
			col.Minor = col.Mask
			parts, columns = append(parts, x+" AS "+ident(sc.name)), append(columns, col)
			continue
		}
		x, after, wrong := c.shown(t, sc, cc.Mask, col.Mask)
		if wrong != "" {
			c.problem("%s", wrong)
			continue
		}
		if narrower := cc.Shown(c.level + 1); minors && narrower != col.Mask {
			y, other, _ := c.shown(t, sc, cc.Mask, narrower)
			switch {
			case family(other) == "text" && family(after) == "text":
				after = "text" // what CASE makes of two kinds of text
			case other != after: // such as the length of a JSON document: a column has one type
				y, narrower = "NULL::"+after, catalog.Hide
			}
			x = "CASE WHEN " + c.minor(t, "t") + " THEN " + y + " ELSE " + x + " END"
			col.Minor = narrower
		} else if x == "t."+ident(sc.name) {
			after = sc.before // with its modifier, such as (40)
		}
		col.After = after
		parts, columns = append(parts, x+" AS "+ident(sc.name)), append(columns, col)
	}
	return strings.Join(parts, ", "), columns
}

// shown gives the expression and type of a column under a mask; masked is what
// the catalogue says of it. wrong is a sentence, or empty.
func (c *compiler) shown(t *catalog.Table, sc storeColumn, masked, mask catalog.Mask) (x, after, wrong string) {
	typ, cast, ok := c.store.shownType(sc.typ)
	if !ok {
		if masked != catalog.Hide {
			return "", "", fmt.Sprintf("column %s.%s is %s, which no lens can show; give it a category that fits and the mask hide", t.Name, sc.name, sc.before)
		}
		return "NULL::text", "text", ""
	}
	x, after, fits := maskSQL(mask, castTo("t."+ident(sc.name), typ, cast), typ)
	if !fits {
		wrong = fmt.Sprintf("column %s.%s is %s, to which the mask %s cannot be applied", t.Name, sc.name, sc.before, mask)
	}
	return x, after, wrong
}

func castTo(x, typ string, cast bool) string {
	if cast {
		return x + "::" + typ
	}
	return x
}

// missing reports the columns of the catalogue that the store lacks.
func (c *compiler) missing(t *catalog.Table) {
	for _, cc := range t.Columns {
		if _, ok := c.store.column(t.Name, cc.Name); !ok {
			c.problem("column %s.%s is in the catalogue and not in the store", t.Name, cc.Name)
		}
	}
}

// subjectKey shows a key that names a subject. In the pseudonymous lens it is
// the subject's pseudonym, a text; in the others the key itself, or, of a
// subject outside a case, a pseudonym of the key's type, so that the columns of
// subjects inside and outside can be joined.
func (c *compiler) subjectKey(t *catalog.Table, branch int, name, x, shown string) (expr, after string, mask catalog.Mask) {
	if c.keyType == "" || keyType(shown) != c.keyType {
		c.problem("column %s.%s is %s and cannot hold the key of a subject", t.Name, name, shown)
		return "NULL::" + shown, shown, catalog.Hide
	}
	pseudonymous := c.level >= catalog.Pseudonymous
	if c.scope == Bulk {
		if pseudonymous {
			return c.pseudonym(x, "text"), "text", catalog.Pseudonym
		}
		return x, shown, catalog.Keep
	}
	typ, inside := pseudonymType(c.keyType), x // inside is what a subject in scope shows
	if pseudonymous {
		typ, inside = "text", "s.pseudonym"
	}
	certain := t.Kind == catalog.Subject && name == t.Key || len(t.Paths) == 1 && c.direct(t, 0, name)
	switch {
	case certain && !pseudonymous:
		return x, shown, catalog.Keep // every visible row names a subject in scope
	case certain && c.joined(t, max(branch, 0)):
		return inside, typ, catalog.Pseudonym
	case certain:
		return c.inScope(x), typ, catalog.Pseudonym
	}
	if !pseudonymous && shown != typ {
		inside += "::" + typ
	}
	for i := range t.Paths {
		switch {
		case i == branch && c.direct(t, i, name) && (!pseudonymous || c.joined(t, i)):
			return inside, typ, catalog.Pseudonym
		case i < branch && c.direct(t, i, name) && len(t.Paths[i].Columns) == 1: // a path before this one would have shown the row
			return "CASE WHEN " + x + " IS NOT NULL THEN " + c.pseudonym(x, typ) + " END", typ, catalog.Pseudonym
		}
	}
	if pseudonymous {
		return "CASE WHEN " + x + " IS NOT NULL THEN coalesce(" + c.inScope(x) + ", " + c.pseudonym(x, typ) + ") END", typ, catalog.Pseudonym
	}
	return "CASE WHEN " + x + " IS NULL THEN NULL WHEN EXISTS (SELECT FROM (" + c.scopeKeys() + ") x(k) WHERE x.k = " + x + ") THEN " + inside +
		" ELSE " + c.pseudonym(x, typ) + " END", typ, catalog.Pseudonym
}

// inScope is the pseudonym that the gate wrote for a subject of the grant, NULL
// for others.
func (c *compiler) inScope(x string) string {
	return "(SELECT s.pseudonym FROM trefoil.scope s WHERE s.grant_id = " + grant + " AND " + c.scopeKey() + " = " + x + ")"
}
