//go:build pagila

package pagila

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/test/world"
)

// reader is a person with a grant, and what they are to see: rows of which
// schema, in which types, how the two customers of the case look.
type reader struct {
	*rental
	person      *world.Person
	grant       access.Grant
	lens, scope string
	truth       string // the schema whose rows are theirs: "public", or "theirs" in a case
	keys, texts string // types of keys of subjects and of names
	mary, john  string // the two customers, in all but pseudonymous with their keys
	mike        string // one of the staff
}

// Every lens in both scopes, each as a person gets it: asked for, approved where a
// rule wants it, read with psql through the gate.
func TestEveryLens(t *testing.T) {
	r := start(t)
	const (
		asIs   = "character varying(45)"
		masked = "M.|H.|M***@***|1|t|||"
		marys  = "MARY|SMITH|MARY.SMITH@sakilacustomer.org|5|t|2006-02-14|1"
		johns  = "JOHN|FARNSWORTH|JOHN.FARNSWORTH@sakilacustomer.org|305|t|2006-02-14|1"
		ms, jf = "M.|S.|M***@***|5|t|2006-01-01|1", "J.|F.|J***@***|305|t|2006-01-01|1"
		m, j   = "|||5|t|2006-01-01|1", "|||305|t|2006-01-01|1"
	)
	for _, c := range []struct {
		who, purpose string
		approvers    []string
		reader
	}{
		{"jonas", "support", []string{"astrid"}, reader{lens: "clear", scope: "case", keys: "integer", texts: asIs, mary: "1|" + marys, john: "300|" + johns, mike: masked}},
		{"jonas", "support", nil, reader{lens: "masked", scope: "case", keys: "integer", texts: "text", mary: "1|" + ms, john: "300|" + jf, mike: masked}},
		{"sean", "engineering", nil, reader{lens: "pseudonymous", scope: "case", keys: "text", texts: "character varying", mary: m, john: j, mike: "|||1|t|||"}},
		{"clara", "accounts", []string{"astrid", "oona"}, reader{lens: "clear", scope: "bulk", keys: "integer", texts: asIs, mary: "1|" + marys, john: "300|" + johns, mike: masked}},
		{"sean", "engineering", []string{"oona"}, reader{lens: "masked", scope: "bulk", keys: "integer", texts: "text", mary: "1|" + ms, john: "300|" + jf, mike: masked}},
		{"sean", "engineering", nil, reader{lens: "pseudonymous", scope: "bulk", keys: "text", texts: "character varying", mary: m, john: j, mike: "|||1|t|||"}},
	} {
		t.Run(c.lens+" "+c.scope, func(t *testing.T) {
			v := c.reader
			v.rental, v.person, v.truth = r, r.w.As(c.who), "public"
			wish := world.Wish{Lens: v.lens, Scope: v.scope, Purpose: c.purpose}
			if v.scope == "case" {
				v.truth, wish.Subjects = "theirs", []int64{1, 300}
			}
			v.grant = r.granted(t, v.person, wish, c.approvers)
			v.looksLikeTables(t)
			v.people(t)
			v.joins(t)
			v.copies(t)
			v.refusals(t)
		})
	}
}

// read runs psql through the gate and gives its lines.
func (v *reader) read(t *testing.T, commands ...string) []string {
	t.Helper()
	out, err := v.psql(t, commands...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(commands, "; "), err, out)
	}
	return lines(out)
}

func (v *reader) psql(t *testing.T, commands ...string) (string, error) {
	t.Helper()
	return v.person.Psql(t, v.grant, site, flags(commands)...)
}

func (v *reader) looksLikeTables(t *testing.T) {
	ds := parsed(t).Dataset("pagila")
	var listed []string
	for _, line := range v.read(t, `\dt`, `\d`) {
		words := strings.Split(line, "|")
		if len(words) != 4 || words[2] != "view" || !strings.HasPrefix(words[0], "pagila_"+v.lens+"_"+v.scope+"_") {
			t.Errorf(`\d shows %q`, line)
			continue
		}
		listed = append(listed, words[1])
	}
	var want []string
	for _, table := range ds.Tables {
		want = append(want, table.Name)
	}
	slices.Sort(want)
	equal(t, `\d`, listed, want)
	email := strings.Replace(v.texts, "45", "50", 1)
	equal(t, `\d customer`, v.read(t, `\d customer`), []string{
		"customer_id|" + v.keys + "|||", "store_id|smallint|||", "first_name|" + v.texts + "|||", "last_name|" + v.texts + "|||", "email|" + email + "|||",
		"address_id|smallint|||", "activebool|boolean|||", "create_date|date|||", "last_update|timestamp without time zone|||", "active|smallint|||"})
	equal(t, `\d film`, v.read(t, `\d film`)[3:11], []string{
		"release_year|integer|||", "language_id|smallint|||", "original_language_id|smallint|||", "rental_duration|smallint|||",
		"rental_rate|numeric(4,2)|||", "length|smallint|||", "replacement_cost|numeric(5,2)|||", "rating|public.mpaa_rating|||"})
}

// people are the rows of two customers and of one member of staff.
func (v *reader) people(t *testing.T) {
	key := "customer_id, "
	if v.lens == "pseudonymous" {
		key = ""
		for _, table := range []string{"customer", "rental", "payment"} {
			got := v.read(t, "SELECT bool_and(customer_id ~ '^[a-z2-7]{26}$'), count(DISTINCT customer_id) FROM "+table)
			equal(t, "pseudonyms in "+table, got, []string{"t|" + v.true(t, "SELECT count(DISTINCT customer_id) FROM "+table)[0]})
		}
	}
	got := v.read(t, "SELECT "+key+"first_name, last_name, email, address_id, activebool, create_date, active FROM customer WHERE address_id IN (5, 305) ORDER BY address_id",
		"SELECT first_name, last_name, email, store_id, active, username, password, picture FROM staff WHERE staff_id = 1")
	equal(t, "two customers, one of staff", got, []string{v.mary, v.john, v.mike})

	if v.lens == "masked" {
		equal(t, "what the README shows", v.read(t, `SELECT customer_id, first_name, last_name, email, country, count(*) AS rentals
			FROM customer JOIN address USING (address_id) JOIN city USING (city_id) JOIN country USING (country_id) JOIN rental USING (customer_id)
			WHERE customer_id IN (1, 300) GROUP BY 1, 2, 3, 4, 5`), []string{"1|M.|S.|M***@***|Japan|32", "300|J.|F.|J***@***|India|31"})
	}
	shown := map[string]string{"clear": "1913 Hanoi Way||Nagasaki|35200|28303384290", "masked": "||Nagasaki||***90", "pseudonymous": "||Nagasaki||"}
	equal(t, "an address", v.read(t, "SELECT address, address2, district, postal_code, phone FROM address WHERE address_id = 5"), []string{shown[v.lens]})
}

// joins read the same through the lens as from the tables, for the rows it shows.
func (v *reader) joins(t *testing.T) {
	home, way := "", "customer"
	ds := parsed(t).Dataset("pagila")
	for _, step := range ds.HomePath() {
		home = ds.Subject().Home.Table
		table := map[string]string{"customer": "address", "address": "city", "city": "country"}[step.Parent]
		way += fmt.Sprintf(" JOIN %s ON %s.%s = %s.%s", table, table, step.Columns[0], step.Parent, step.ParentColumns[0])
	}
	if home != "country" || strings.Count(way, "JOIN") != 3 {
		t.Fatalf("the way home is %s", way)
	}
	for _, sql := range []string{
		"SELECT country.country, count(*) FROM " + way + " GROUP BY 1 ORDER BY 1",
		`SELECT a.district, co.country, count(DISTINCT r.rental_id), count(p.payment_id), sum(p.amount)
			FROM customer c JOIN address a USING (address_id) JOIN city USING (city_id) JOIN country co USING (country_id)
			JOIN rental r USING (customer_id) LEFT JOIN payment p ON p.rental_id = r.rental_id AND p.customer_id = c.customer_id
			GROUP BY c.customer_id, a.district, co.country ORDER BY 1, 2, 3, 4, 5`,
		"SELECT f.title, count(*) FROM rental JOIN inventory USING (inventory_id) JOIN film f USING (film_id) GROUP BY 1 HAVING count(*) > 1 ORDER BY 1",
		"SELECT s.store_id, s.active, count(*), sum(p.amount) FROM payment p JOIN staff s USING (staff_id) JOIN store USING (store_id) GROUP BY 1, 2 ORDER BY 1",
		"SELECT date_trunc('month', payment_date), count(*), sum(amount), min(payment_id) FROM payment GROUP BY 1 ORDER BY 1", // all partitions
		"SELECT count(*), sum(amount) FROM payment WHERE payment_date >= '2007-02-01' AND payment_date < '2007-03-01'",
		"SELECT count(*), min(lower(rental_period)), max(upper(rental_period)) FROM rental WHERE rental_period && '[2005-06-01,2005-07-01)'",
		`SELECT film_id, title, release_year, rating, special_features, revenue_projection, length(fulltext), l.name, l.name = 'English' FROM film JOIN language l USING (language_id)
			WHERE rating > 'PG' AND 'Trailers' = ANY (special_features) AND fulltext @@ 'shark'::tsquery AND release_year BETWEEN 2000 AND 2010 ORDER BY 1`,
		"SELECT first_name, last_name, count(*) FROM actor JOIN film_actor USING (actor_id) JOIN film_category USING (film_id) JOIN category c USING (category_id) WHERE c.name = 'Sci-Fi' GROUP BY actor_id, 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 10",
	} {
		want := v.true(t, sql)
		if len(want) == 0 {
			t.Fatalf("%s\nhas no rows to compare", sql)
		}
		equal(t, sql, v.read(t, sql), want)
	}
}

// true asks the tables themselves, as superuser.
func (v *reader) true(t *testing.T, sql string) []string {
	t.Helper()
	return v.tables(t, v.truth, sql)
}

// copies takes everything out of the lens, as a tool would, and looks for what
// must not be in it.
func (v *reader) copies(t *testing.T) {
	ds := parsed(t).Dataset("pagila")
	dir := t.TempDir()
	var commands []string
	for _, table := range ds.Tables {
		commands = append(commands, fmt.Sprintf(`\copy (SELECT * FROM %s ORDER BY 1, 2) TO '%s'`, table.Name, filepath.Join(dir, table.Name)))
	}
	v.read(t, commands...)
	var all strings.Builder
	for _, table := range ds.Tables {
		copied, err := os.ReadFile(filepath.Join(dir, table.Name))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(copied)
		streamed := v.read(t, "COPY (SELECT * FROM "+table.Name+" ORDER BY 1, 2) TO STDOUT")
		equal(t, "COPY and \\copy of "+table.Name, streamed, lines(string(copied)))
		if want := v.true(t, "SELECT count(*) FROM "+table.Name)[0]; fmt.Sprint(len(streamed)) != want {
			t.Errorf("%d rows of %s, want %s", len(streamed), table.Name, want)
		}
		if v.lens == "clear" && table.Name != "staff" { // to the byte
			sql := "COPY (SELECT " + columns(table) + " FROM " + table.Name + " ORDER BY 1, 2) TO STDOUT"
			if got, want := v.read(t, sql), v.true(t, sql); !slices.Equal(got, want) {
				t.Errorf("%s in clear is not as it is: %d rows, %d in the table", table.Name, len(got), len(want))
			}
		}
	}
	for what, list := range v.secrets(t) {
		here := 0
		for _, secret := range list {
			if strings.Contains(all.String(), secret) {
				here++
			}
		}
		want := 0
		if v.lens == "clear" && what != "of staff" {
			want = len(list)
			if v.scope == "case" {
				want = 2
			}
		}
		if here != want {
			t.Errorf("%d of %d %s are in what was copied, want %d", here, len(list), what, want)
		}
	}
}

// secrets are texts that only the tables hold, of everybody.
func (v *reader) secrets(t *testing.T) map[string][]string {
	customers := "FROM customer JOIN address USING (address_id)"
	return map[string][]string{
		"e-mail addresses": v.tables(t, "public", "SELECT email "+customers),
		"streets":          v.tables(t, "public", "SELECT address "+customers),
		"telephones":       v.tables(t, "public", "SELECT phone "+customers),
		"of staff": v.tables(t, "public", `SELECT unnest(ARRAY[password, email, username || E'\t', last_name, encode(picture, 'hex')])
			FROM staff WHERE picture IS NOT NULL`),
	}
}

func columns(t *catalog.Table) string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, `"`+c.Name+`"`)
	}
	return strings.Join(names, ", ")
}

func (v *reader) refusals(t *testing.T) {
	for sql, want := range map[string]string{
		"BEGIN; CALL public.rewards_report(1, 1, '2007-02-01')":   "CALL is not served through this gate",
		"SELECT public.rewards_report(1, 1, '2007-02-01')":        "permission denied for schema public",
		"SELECT rewards_report(1, 1, '2007-02-01')":               "function rewards_report.* does not exist",
		"SELECT public.get_customer_balance(1, now()::timestamp)": "permission denied for schema public",
		"SELECT * FROM public.customer":                           "permission denied for schema public",
		"SELECT * FROM public.payment_p2007_01":                   "permission denied for schema public",
		"SELECT * FROM legacy.rental":                             "permission denied for schema legacy",
		"SELECT * FROM customer_list":                             `relation "customer_list" does not exist`,
		"SELECT address_id FROM staff":                            `column "address_id" does not exist`,
		"COPY customer TO STDOUT":                                 "COPY",
		"EXPLAIN SELECT * FROM customer":                          "EXPLAIN is not served",
		"UPDATE customer SET active = 0":                          "UPDATE is not served",
	} {
		out, err := v.psql(t, sql)
		if err == nil || !regexp.MustCompile("ERROR: .*"+want).MatchString(out) {
			t.Errorf("%s: %v, %s; want %s", sql, err, out, want)
		}
	}
}
