package leak

import (
	_ "embed" // the grammar
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

//go:embed testdata/grammar.txt
var grammarText string

// column is something that an expression can read; key says whose key it is, if it
// is one.
type column struct{ ref, family, key string }

// relation is a view, a common table expression or what a subquery gives.
type relation struct {
	name    string
	columns []column
}

// language is what all scripts over one lens have in common.
type language struct {
	rules     map[string][]string
	views     []relation
	constants map[string][]string // by family: what lies under the masks, of all stores
	orderless bool                // nothing whose result depends on the order of rows or fails on data
}

func newLanguage(views []relation, constants map[string][]string, orderless bool) *language {
	l := &language{rules: map[string][]string{}, views: views, constants: constants, orderless: orderless}
	var name string
	for line := range strings.Lines(grammarText) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			name = strings.Trim(line, "[]")
		case orderless && (line[0] == '~' || line[0] == '!' || strings.Contains(line, "loat")):
		default:
			l.rules[name] = append(l.rules[name], line)
		}
	}
	return l
}

// gen writes one script.
type gen struct {
	*language
	r     *rand.Rand
	risky bool // may fail on data
	scope []column
	keys  []column // in a grouped query: what stands outside aggregates
	with  []relation
	names int
}

// families that results are made of, the usual ones more often.
var families = strings.Fields("int int int int text text text text text num float bool bool date ts tstz inet json interval uuid bytea texts ints mood")

func (g *gen) chance(percent int) bool { return g.r.IntN(100) < percent }

func (g *gen) one(list []string) string { return list[g.r.IntN(len(list))] }

func (g *gen) of(words string) string { return g.one(strings.Split(words, "|")) }

func (g *gen) family() string { return g.one(families) }

func (g *gen) name(prefix string) string {
	g.names++
	return prefix + strconv.Itoa(g.names)
}

// expr writes an expression of a family.
func (g *gen) expr(family string, depth int) string {
	if family == "any" {
		family = g.family()
	}
	list := g.rules[family]
	if depth <= 0 || len(list) == 0 || g.chance(35) {
		return g.leaf(family)
	}
	return "(" + g.fill(g.rule(list), depth-1) + ")"
}

// rule chooses one, of those that can fail few or none.
func (g *gen) rule(list []string) string {
	rule := g.one(list)
	for range 50 {
		if rule[0] != '~' || g.risky && g.chance(30) {
			break
		}
		rule = g.one(list)
	}
	return strings.TrimLeft(rule, "~!")
}

// where is a condition that is as often met as not.
func (g *gen) where(depth int) string {
	cond := g.expr("bool", depth)
	if !strings.Contains(cond, ".") { // constant
		return g.of("| WHERE " + cond)
	}
	return " WHERE " + g.of("|||NOT ") + cond + g.of("| IS NOT TRUE| IS NOT TRUE| IS NOT FALSE")
}

// leaf is a column or a constant.
func (g *gen) leaf(family string) string {
	var fit []string
	for _, c := range g.scope {
		if c.family == family {
			fit = append(fit, c.ref)
		}
	}
	if len(fit) > 0 && g.chance(85) {
		return g.one(fit)
	}
	return g.constant(family)
}

func (g *gen) constant(family string) string {
	if list := g.constants[family]; len(list) > 0 && g.chance(60) {
		return g.one(list)
	}
	switch family {
	case "int":
		return g.of("0|1|2|7|-1|1000|1005|1040|16080|100")
	case "num":
		return g.of("0.0|1.5|-2.25|100::numeric")
	case "float":
		return g.of("0::float8|1.5::float8|'NaN'::float8|53.3::float8")
	case "text":
		return g.of("''|'a'|'7'|'x y'|'[up to 20 characters]'|'***'|'true'|'IE'|'é'") + "::text"
	case "bool":
		return g.of("true|true|true|false|NULL::bool")
	case "date":
		return g.of("'2000-01-01'|'1980-06-15'|'2025-01-01'") + "::date"
	case "ts":
		return g.of("'2025-03-01 10:00'|'2025-07-01'") + "::timestamp"
	case "tstz":
		return g.of("'2025-03-01 10:00+00'|'2025-07-01 00:00+02'") + "::timestamptz"
	case "interval":
		return g.of("'1 hour'|'3 days'|'-1 min'") + "::interval"
	case "inet":
		return g.of("'10.0.0.1'|'10.1.0.0/24'|'2001:db8::1'") + "::inet"
	case "uuid":
		return "'00000000-0000-4000-8000-000000000000'::uuid"
	case "json":
		return g.of(`'{"a": 3, "b": [1]}'|'[]'|'null'|'7'`) + "::jsonb"
	case "bytea":
		return g.of(`'x'|'ab'`) + "::bytea"
	case "texts":
		return g.of("'{a,b}'|'{}'") + "::text[]"
	case "ints":
		return g.of("'{1,2}'|'{}'") + "::int[]"
	}
	return "NULL"
}

// fill replaces the places of a rule.
func (g *gen) fill(rule string, depth int) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(rule, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		place, after, closed := strings.Cut(rest, "}")
		if !closed || place == "" || strings.Trim(place, "abcdefghijklmnopqrstuvwxyz:") != "" || strings.Contains(place, ",") || place == "a" || place == "b" {
			out.WriteByte('{')
			rule = rest
			continue
		}
		rule = after
		kind, family, _ := strings.Cut(place, ":")
		switch kind {
		case "n":
			out.WriteString(strconv.Itoa(g.r.IntN(5)))
		case "lit":
			out.WriteString(g.constant(family))
		case "table":
			out.WriteString(g.view().name)
		case "query":
			out.WriteString(g.query(1, nil))
		case "alias":
			out.WriteString(g.name("r"))
		case "quoted":
			out.WriteString(quote(g.query(1, nil)))
		case "sub":
			out.WriteString("(" + g.inner(depth, family, "") + ")")
		case "one":
			out.WriteString("(" + g.inner(depth, family, " ORDER BY 1 LIMIT 1") + ")")
		case "window":
			out.WriteString(g.fill(g.rule(g.rules["window"]), depth))
		default:
			out.WriteString(g.expr(place, depth))
		}
	}
}

func (g *gen) view() relation { return g.views[g.r.IntN(len(g.views))] }

// inner is a subquery of one column, which sees the columns around it.
func (g *gen) inner(depth int, family, end string) string {
	if depth <= 0 {
		v := g.view()
		for _, c := range v.columns {
			if c.family == family {
				return "SELECT " + c.ref + " FROM " + v.name + end
			}
		}
		return "SELECT " + g.constant(family)
	}
	scope, keys := g.scope, g.keys
	defer func() { g.scope, g.keys = scope, keys }()
	if keys != nil {
		g.scope = keys // of the query around, only what is grouped
		g.keys = nil
	}
	from := g.from(depth-1, 1+g.r.IntN(2))
	q := "SELECT " + g.expr(family, depth) + from
	if g.chance(70) {
		q += g.where(depth)
	}
	return q + end
}

// from writes the FROM clause and puts its columns in scope.
func (g *gen) from(depth, n int) string {
	out := " FROM "
	var own []column
	for i := range n {
		item, columns := g.item(depth, i > 0)
		switch {
		case i == 0:
			out += item
		case i == n-1 && g.chance(15):
			out += ", " + item
		default:
			before := g.scope
			g.scope = append(own[:len(own):len(own)], columns...)
			join := g.of("JOIN|JOIN|JOIN|LEFT JOIN|LEFT JOIN|RIGHT JOIN|FULL JOIN|CROSS JOIN|NATURAL JOIN")
			if i > 1 && join == "NATURAL JOIN" {
				join = "JOIN"
			}
			if strings.HasPrefix(item, "LATERAL") {
				join = g.of("JOIN|LEFT JOIN|CROSS JOIN")
			}
			out += " " + join + " " + item
			if join != "CROSS JOIN" && join != "NATURAL JOIN" {
				out += " ON " + g.on(own, columns, depth)
			}
			g.scope = before
		}
		own = append(own, columns...)
		g.scope = append(g.scope[:len(g.scope):len(g.scope)], columns...)
	}
	return out
}

// on is mostly an equality of two keys that belong together.
func (g *gen) on(left, right []column, depth int) string {
	for try := range 30 {
		a, b := left[g.r.IntN(len(left))], right[g.r.IntN(len(right))]
		if a.family != b.family || a.family == "json" || a.family == "other" || try < 25 && (a.key == "" || a.key != b.key) {
			continue
		}
		cond := a.ref + " = " + b.ref
		if g.chance(15) {
			cond += " AND " + g.expr("bool", depth)
		}
		return cond
	}
	return g.of("|NOT ") + g.expr("bool", depth) + g.of("| IS NOT TRUE")
}

// item is one thing to select from, under an alias.
func (g *gen) item(depth int, lateral bool) (string, []column) {
	a := g.name("t")
	as := func(r relation) []column {
		out := make([]column, len(r.columns))
		for i, c := range r.columns {
			out[i] = column{a + "." + c.ref, c.family, c.key}
		}
		return out
	}
	switch {
	case len(g.with) > 0 && g.chance(50):
		r := g.with[g.r.IntN(len(g.with))]
		return r.name + " " + a, as(r)
	case depth > 0 && g.chance(20):
		width := []string{g.family(), g.family(), "int"}
		scope, word := g.scope, "LATERAL "
		if !lateral || g.chance(60) {
			g.scope, word = nil, ""
		}
		q := g.query(depth-1, width)
		g.scope = scope
		r := relation{columns: []column{{ref: "c1", family: width[0]}, {ref: "c2", family: width[1]}, {ref: "c3", family: "int"}}}
		return word + "(" + q + ") " + a + "(c1, c2, c3)", as(r)
	case lateral && g.chance(12):
		rule := g.rule(g.rules["rel"])
		if strings.Contains(rule, "{alias}") {
			return g.fill(rule, depth), []column{{ref: "5", family: "int"}}
		}
		return "LATERAL " + g.fill(rule, depth) + " " + a, []column{{ref: a + "::text", family: "text"}}
	}
	v := g.view()
	return v.name + " " + a, as(v)
}

// query writes a query; width gives the families of its columns, nil lets it choose.
func (g *gen) query(depth int, width []string) string {
	if width == nil {
		for range 1 + g.r.IntN(4) {
			width = append(width, g.family())
		}
	}
	with := g.with
	defer func() { g.with = with }()
	var head string
	if depth > 0 && g.chance(15) {
		name, w := g.name("w"), []string{"int", g.family(), g.family()}
		scope := g.scope
		g.scope = nil
		body := g.query(depth-1, w)
		g.scope = scope
		g.with = append(with[:len(with):len(with)], relation{name, []column{{ref: "c1", family: w[0]}, {ref: "c2", family: w[1]}, {ref: "c3", family: w[2]}}})
		head = "WITH " + name + "(c1, c2, c3) AS " + g.of("|MATERIALIZED |NOT MATERIALIZED ") + "(" + body + ") "
	} else if depth > 0 && g.chance(4) {
		name := g.name("w")
		v := g.view()
		g.with = append(with[:len(with):len(with)], relation{name, []column{{ref: "c1", family: "int"}, {ref: "c2", family: "int"}}})
		head = fmt.Sprintf("WITH RECURSIVE %s(c1, c2) AS (SELECT 1, 0 UNION ALL SELECT c1 + 1, (SELECT count(*)::int FROM %s) FROM %s WHERE c1 < %d) ", name, v.name, name, 2+g.r.IntN(5))
	}
	q := g.plain(depth, width)
	for depth > 0 && g.chance(12) {
		q = "(" + q + ") " + g.of("UNION|UNION ALL|INTERSECT|EXCEPT|EXCEPT ALL|INTERSECT ALL") + " (" + g.plain(depth-1, width) + ")"
	}
	if g.chance(35) {
		q += " ORDER BY " + strconv.Itoa(1+g.r.IntN(len(width))) + g.of("| DESC| NULLS FIRST| DESC NULLS LAST")
		if g.risky && g.chance(5) {
			q += ", 99"
		}
	}
	if !g.orderless && g.chance(45) {
		q += g.of(" LIMIT 1| LIMIT 5| LIMIT 20| LIMIT 20| LIMIT 7 OFFSET 3| FETCH FIRST ROW ONLY| OFFSET 4 ROWS FETCH NEXT 5 ROWS ONLY")
	}
	return head + q
}

// plain is a SELECT without what stands around it.
func (g *gen) plain(depth int, width []string) string {
	scope, keys := g.scope, g.keys
	defer func() { g.scope, g.keys = scope, keys }()
	g.keys = nil
	from := g.from(depth, 1+g.r.IntN(2)+g.r.IntN(2)*min(depth, 1))
	where := ""
	if g.chance(50) {
		where = g.where(depth + 1)
	}
	if g.chance(25) {
		return g.grouped(depth, width, from, where, len(scope))
	}
	items := make([]string, len(width))
	for i, f := range width {
		if list := g.rules["win:"+f]; len(list) > 0 && !g.orderless && g.chance(8) {
			items[i] = g.fill(g.rule(list), depth)
		} else {
			items[i] = g.expr(f, depth+1)
		}
	}
	distinct := ""
	if g.chance(8) {
		distinct = "DISTINCT "
	}
	return "SELECT " + distinct + strings.Join(items, ", ") + from + where
}

// grouped is a SELECT with aggregates.
func (g *gen) grouped(depth int, width []string, from, where string, outer int) string {
	all := g.scope
	var by []string
	g.keys = all[:outer:outer]
	for range g.r.IntN(3) {
		if len(all) == outer {
			break
		}
		c := all[outer+g.r.IntN(len(all)-outer)]
		if c.family == "other" || strings.Contains(c.ref, "::") || c.ref == "5" {
			continue
		}
		by = append(by, c.ref)
		g.keys = append(g.keys, c)
	}
	keys := g.keys
	aggregate := func(f string) string {
		if list := g.rules["agg:"+f]; len(list) > 0 && (g.chance(75) || len(by) == 0) {
			g.keys, g.scope = nil, all[outer:] // with columns of a query around, it would be that query's aggregate
			return g.fill(g.rule(list), depth)
		}
		g.keys, g.scope = keys, keys
		return g.expr(f, depth)
	}
	items := make([]string, len(width))
	for i, f := range width {
		items[i] = aggregate(f)
	}
	q := "SELECT " + strings.Join(items, ", ") + from + where
	if len(by) > 0 {
		list := strings.Join(by, ", ")
		q += " GROUP BY " + g.one([]string{list, list, list, "ROLLUP (" + list + ")", "CUBE (" + list + ")", "GROUPING SETS ((" + list + "), (" + by[0] + "), ())", "DISTINCT ROLLUP (" + list + ")"})
	}
	if g.chance(25) {
		q += " HAVING " + aggregate("bool") + g.of("| IS NOT TRUE| IS NOT FALSE")
	}
	return q
}
