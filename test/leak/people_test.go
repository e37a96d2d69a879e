package leak

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The stores; see doc.go.
const (
	base = iota
	values
	people
	grown
)

var sites = []string{"base", "values", "people", "grown"}

//go:embed testdata/schema.sql
var schema string

const (
	inCase   = 12 // persons of the case
	partners = 4  // others who exchange messages with them: known to both stores
	others   = 48 // besides those of the case, partners among them
)

// person draws a person's rows from three sources: layout is the same in every
// store; seen is what the lenses show, the same in two stores that are compared;
// hidden is what they must not show.
type person struct {
	layout, seen, hidden *rand.Rand
	id                   int64
	peers                []int64 // whom they exchange messages with
}

func source(words ...uint64) *rand.Rand {
	a, b := uint64(0x9e3779b97f4a7c15), uint64(1)
	for _, w := range words {
		a, b = (a^w)*0xbf58476d1ce4e5b9, b*31+w
	}
	return rand.New(rand.NewPCG(a, b))
}

// caseKeys are the keys of the persons of the case: five past a multiple of 35.
func caseKeys() (keys []int64) {
	for i := range int64(inCase) {
		keys = append(keys, 1075+35*i) // so that the first rows of each table are hidden ones
	}
	return keys
}

// everybody lists the persons of a store in the order of their keys, so that
// those of the case lie among the others.
func everybody(store int) (list []*person) {
	var known []int64
	for j := range int64(partners) {
		known = append(known, 1000+7*j)
	}
	for i, id := range caseKeys() {
		p := &person{id: id, peers: known, layout: source(1, uint64(i)), seen: source(2, uint64(i)), hidden: source(3, uint64(i), uint64(store))}
		if store == grown { // so that clear can be compared
			p.hidden = source(3, uint64(i), base)
		}
		list = append(list, p)
	}
	n := others
	if store == grown {
		n *= 5
	}
	for j := range n {
		p := &person{id: 1000 + 7*int64(j), peers: known, layout: source(4, uint64(j)), seen: source(5, uint64(j)), hidden: source(6, uint64(j), uint64(store))}
		if store >= people {
			p.seen = source(5, uint64(j), uint64(store))
		}
		if store == people && j >= partners {
			p.id += 3
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *person) int { return cmp.Compare(a.id, b.id) })
	return list
}

func word(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnoprstuvwyz"[r.IntN(24)]
	}
	return string(b)
}

// text has a length that rounds up to the same ten, and other words; some of it is
// what casts are made of.
func (p *person) text() string {
	tens := 1 + p.layout.IntN(5)
	n := 10*(tens-1) + 1 + p.hidden.IntN(9)
	if tens == 1 && p.hidden.IntN(2) == 0 {
		return []string{"7", "true", "0", "2020-02-30", "{1,2}", "NaN", "1e400", "no", "null", "-1"}[p.hidden.IntN(10)]
	}
	s := ""
	for len(s) < n {
		s += word(p.hidden, 2+p.hidden.IntN(6)) + " "
	}
	return s[:n]
}

func (p *person) name() string {
	return strings.ToUpper(word(p.seen, 1)) + word(p.hidden, 2+p.hidden.IntN(6)) + " " + strings.ToUpper(word(p.seen, 1)) + word(p.hidden, 3+p.hidden.IntN(5))
}

func (p *person) addr() string {
	if p.seen.IntN(3) == 0 {
		return fmt.Sprintf("2001:db8:%x:%x::%x", 1+p.seen.IntN(9), 1+p.hidden.IntN(9000), 1+p.hidden.IntN(9000))
	}
	return fmt.Sprintf("10.%d.%d.%d", p.seen.IntN(4), p.seen.IntN(200), 1+p.hidden.IntN(250))
}

// year is a date of which only the year is shown.
func (p *person) year(from, n int) string {
	return fmt.Sprintf("%04d-%02d-%02d", from+p.seen.IntN(n), 1+p.hidden.IntN(12), 1+p.hidden.IntN(28))
}

func (p *person) when() string {
	return fmt.Sprintf("2025-%02d-%02d %02d:%02d:00+00", 1+p.seen.IntN(12), 1+p.seen.IntN(28), p.seen.IntN(24), p.seen.IntN(60))
}

func (p *person) coarse(whole int) string {
	tenths := p.seen.IntN(whole*20) - whole*10
	return fmt.Sprintf("%.5f", float64(tenths)/10+(p.hidden.Float64()-0.5)*0.08)
}

func (p *person) pick(list ...string) string { return list[p.seen.IntN(len(list))] }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// rows appends the person's rows, as lists of SQL literals, by table.
func (p *person) rows(out map[string][]string) {
	add := func(table string, list ...any) {
		parts := make([]string, len(list))
		for i, v := range list {
			switch v := v.(type) {
			case nil:
				parts[i] = "NULL"
			case string:
				parts[i] = quote(v)
			default:
				parts[i] = fmt.Sprint(v)
			}
		}
		out[table] = append(out[table], "("+strings.Join(parts, ", ")+")")
	}
	maybe := func(v any) any {
		if p.layout.IntN(6) == 0 {
			return nil
		}
		return v
	}
	var born any
	switch p.layout.IntN(8) {
	case 0: // unknown, which counts as a minor
	case 1:
		born = p.year(2014, 6)
	default:
		born = p.year(1950, 50)
	}
	tags := make([]string, p.layout.IntN(4))
	for i := range tags {
		tags[i] = `"` + p.text() + `"`
	}
	mail := word(p.seen, 1) + word(p.hidden, 3+p.hidden.IntN(6)) + "@" + word(p.hidden, 5) + ".example"
	phone := fmt.Sprintf("+%d%02d", 10000000+p.hidden.IntN(89999999), p.seen.IntN(100))
	prefs := fmt.Sprintf(`{"a": %d, "b": [%d, "x", null], "c": {"d": "%s"}}`, p.seen.IntN(9), p.seen.IntN(99), word(p.seen, 2))
	add("users", p.id, word(p.seen, 1)+word(p.hidden, 2+p.hidden.IntN(9)), p.name(), mail, maybe(phone), born, maybe(p.pick("IE", "NO", "DE", "GB")), maybe(p.text()),
		p.pick("calm", "glad", "sad", "cross"), "{"+strings.Join(tags, ",")+"}", maybe(prefs), maybe(fmt.Sprintf(`{"note": "%s"}`, word(p.hidden, 20+p.hidden.IntN(6)))),
		float64(p.seen.IntN(900))/8, p.when(), p.id*16, `\x`+strings.Repeat(fmt.Sprintf("%02x", p.hidden.IntN(256)), 1+10*p.layout.IntN(3)+p.hidden.IntN(9)),
		word(p.hidden, 6), 100+p.hidden.IntN(100), fmt.Sprintf("%04d", p.hidden.IntN(10000)))
	add("addresses", p.id*16, word(p.hidden, 12), p.text(), "("+p.coarse(80)+","+p.coarse(170)+")")
	for k := range int64(p.layout.IntN(3)) {
		add("devices", p.id*16+k, p.id, p.pick("ios", "android", "web"), maybe(p.pick("P9", "Galaxy 5", "7", "x'y")),
			fmt.Sprintf("%08x-0000-4000-8000-%012x", p.hidden.Uint32(), p.hidden.Uint32()), maybe(p.addr()), p.addr(), p.when()[:19],
			fmt.Sprintf("{%d,%d}", p.seen.IntN(9), p.seen.IntN(2000)))
	}
	for k := range int64(1 + p.layout.IntN(3)) {
		add("signins", p.id*16+k, p.id, maybe(p.id*16), p.when(), maybe(p.addr()), maybe(p.coarse(80)), p.coarse(170), p.seen.IntN(5) > 0,
			fmt.Sprintf("%d hours %d seconds", p.seen.IntN(40), p.seen.IntN(60)))
	}
	for k := range int64(p.layout.IntN(3)) {
		from, to := any(p.id), any(p.peers[p.layout.IntN(len(p.peers))])
		switch p.layout.IntN(4) {
		case 0:
			from, to = to, from
		case 1:
			from, to = nil, p.id
		}
		add("messages", p.id*16+k, from, to, p.when(), p.text(), p.pick("calm", "glad"))
	}
	for k := range int64(p.layout.IntN(3)) {
		add("orders", p.id*16+k, p.id, p.year(2020, 5), p.seen.IntN(30000)*p.seen.IntN(2), float64(p.seen.IntN(250))/10, p.pick("EUR", "NOK"), fmt.Sprintf("%04d", p.hidden.IntN(10000)))
		for n := range p.layout.IntN(3) {
			add("lines", p.id*16+k, n, p.text(), p.hidden.IntN(9000))
		}
	}
	for k := range int64(p.layout.IntN(3)) {
		add("payments", p.id*16+k, p.id, p.year(2024, 2), p.seen.IntN(100000), maybe(p.text()))
	}
}

// load fills a store. Of the other people in 'people' half are deleted again: the
// planner counts pages, and dead rows fill them like living ones.
func load(ctx context.Context, conn *pgx.Conn, store int) error {
	script := []string{schema}
	if store != grown { // parallel workers give rows in the order in which they happen to be scheduled
		script = append(script, "ALTER SYSTEM SET max_parallel_workers_per_gather = 0", "SELECT pg_reload_conf()")
	}
	for _, sql := range script {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	rows := map[string][]string{}
	for _, p := range everybody(store) {
		p.rows(rows)
	}
	var sql strings.Builder
	sql.WriteString("INSERT INTO countries VALUES ('IE','Ireland','west'),('NO','Norway','north'),('DE','Germany','middle'),('GB','United Kingdom','west'),('FR','France',NULL);\n")
	for table, key := range owner {
		fmt.Fprintf(&sql, "INSERT INTO %s VALUES %s;\n", table, strings.Join(rows[table], ",\n"))
		if store == people {
			fmt.Fprintf(&sql, "DELETE FROM %s WHERE %s > %d AND %s %% 2 = 0 AND %s <> ALL ('{%s}');\n", table, key, 1000+7*partners, key, key, numbers(caseKeys()))
		}
	}
	fmt.Fprintf(&sql, "SELECT setval('orders_id_seq', %d);\n", 1000+77*store)
	_, err := conn.PgConn().Exec(ctx, sql.String()).ReadAll()
	return err
}

func numbers(list []int64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}

// owner says of each table which expression names the person a row belongs to.
var owner = map[string]string{"users": "id", "addresses": "id / 16", "devices": "user_id", "signins": "user_id",
	"messages": "id / 16", "orders": "user_id", "lines": "order_id / 16", "payments": "user_id"}
