package lens

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// Each mask over values that break masks: every row is what a column holds and
// what the lens shows.
func TestMasks(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.DB(t, cluster))
	if _, err := conn.Exec(ctx, "SET standard_conforming_strings = on; SET timezone = 'America/New_York'"); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 95)
	for _, c := range []struct {
		mask   catalog.Mask
		typ    string
		values [][2]string // SQL of the value, text of the result
	}{
		{catalog.Email, "text", [][2]string{
			{"'anna.berg@example.no'", "a***@***"}, {"NULL", "NULL"}, {"''", ""}, {"'no at'", "***"}, {"'@x.no'", "***"},
			{"'a@b@c.IE'", "a***@***"}, {"'ø@ø.no'", "ø***@***"}, {"E'a@x.no\\nb'", "a***@***"},
		}},
		{catalog.Phone, "character varying(40)", [][2]string{
			{"'+47 912 34 567'", "***67"}, {"NULL", "NULL"}, {"''", ""}, {"'112'", "***"}, {"'none'", "***"}, {"'+353 (85) 6-7'", "***-7"}, {"'      '", "***"},
		}},
		{catalog.PersonName, "text", [][2]string{
			{"'Anna Karin Berg'", "A. B."}, {"NULL", "NULL"}, {"''", ""}, {"'Bo '", "B. ."}, {"' Bo'", " . B."}, {"'Øyvind  Åse'", "Ø. Å."}, {"'王小明'", "王."}, {"E'a\\\\1b'", "a."}, {"'x'", "x."},
		}},
		{catalog.Length, "text", [][2]string{
			{"'hello'", "[up to 10 characters]"}, {"NULL", "NULL"}, {"''", ""}, {"'" + long + "'", "[up to 100 characters]"}, {"'øøøøøøøøøø'", "[up to 10 characters]"},
		}},
		{catalog.IP, "inet", [][2]string{
			{"'203.0.113.77'", "203.0.113.0/24"}, {"NULL", "NULL"}, {"'10.0.0.0/8'", "10.0.0.0/8"}, {"'2001:db8:1:2::9'", "2001:db8:1::/48"},
			{"'::ffff:203.0.113.77'", "::/48"}, {"'::1'", "::/48"}, {"'203.0.113.77/16'", "203.0.0.0/16"},
		}},
		{catalog.IP, "cidr", [][2]string{{"'203.0.113.77/32'", "203.0.113.0/24"}, {"'2001:db8::/32'", "2001:db8::/32"}}},
		{catalog.IP, "text", [][2]string{
			{"'203.0.113.77'", "203.0.113.0/24"}, {"NULL", "NULL"}, {"''", ""}, {"'2001:DB8:1:2::9'", "2001:db8:1::/48"}, {"'2001:db8::9'", "***"},
			{"'::ffff:203.0.113.77'", "***"}, {"'not an address'", "***"}, {"'203.0.113.77:443'", "***"},
		}},
		{catalog.Year, "date", [][2]string{
			{"'1988-07-14'", "1988-01-01"}, {"NULL", "NULL"}, {"'infinity'", "NULL"}, {"'-infinity'", "NULL"}, {"'0044-03-15 BC'", "NULL"}, {"'9999-12-31'", "9999-01-01"}, {"'5874897-12-31'", "NULL"},
		}},
		{catalog.Year, "timestamp with time zone", [][2]string{
			{"'2024-01-01 00:30+00'", "2023-12-31 19:00:00-05"}, {"NULL", "NULL"}, {"'infinity'", "NULL"}, {"'294276-12-31'", "NULL"},
		}},
		{catalog.Year, "timestamp(3) without time zone", [][2]string{{"'2024-05-06 07:08'", "2024-01-01 00:00:00"}, {"'-infinity'", "NULL"}}},
		{catalog.Year, "text", [][2]string{{"'1988-07-14T00:00Z'", "1988-01-01"}, {"'14.7.1988'", "***"}, {"''", ""}, {"NULL", "NULL"}}},
		{catalog.Coarse, "double precision", [][2]string{
			{"59.91273", "59.9"}, {"-0.01", "0"}, {"NULL", "NULL"}, {"'NaN'", "NULL"}, {"'Infinity'", "NULL"}, {"1e308", "NULL"}, {"-122.4194", "-122.4"},
		}},
		{catalog.Coarse, "real", [][2]string{{"59.91273", "59.9"}, {"'NaN'", "NULL"}, {"3e38", "NULL"}}},
		{catalog.Coarse, "numeric(9,6)", [][2]string{{"59.95", "60.0"}, {"NULL", "NULL"}, {"'NaN'", "NULL"}}},
		{catalog.Coarse, "point", [][2]string{{"'(59.91,10.75)'", "(59.9,10.8)"}, {"NULL", "NULL"}, {"'(1e300,0)'", "NULL"}}},
		{catalog.Length, "jsonb", [][2]string{{`'{"a": 1}'`, "[up to 10 characters]"}, {"'[]'", "[up to 10 characters]"}, {"NULL", "NULL"}, {"'null'", "[up to 10 characters]"}}},
		{catalog.Length, "bytea", [][2]string{{"'\\x00ff'", "[up to 10 bytes]"}, {"''", "[up to 0 bytes]"}, {"NULL", "NULL"}}},
		{catalog.Email, "text[]", [][2]string{
			{"'{a@x.no,b@y.no}'", "{a***@***,b***@***}"}, {"'{}'", "{}"}, {"NULL", "NULL"}, {"'{NULL,c@z.no}'", "{NULL,c***@***}"}, {"'{{a@x.no},{b@y.no}}'", "{a***@***,b***@***}"},
		}},
		{catalog.IP, "inet[]", [][2]string{{"'{203.0.113.77,::1}'", "{203.0.113.0/24,::/48}"}}},
		{catalog.Hide, "integer", [][2]string{{"7", "NULL"}, {"NULL", "NULL"}}},
		{catalog.Keep, "integer", [][2]string{{"7", "7"}, {"NULL", "NULL"}}},
	} {
		expr, after, ok := maskSQL(c.mask, "t.x", c.typ)
		if !ok {
			t.Errorf("%s does not take %s", c.mask, c.typ)
			continue
		}
		for _, v := range c.values {
			sql := fmt.Sprintf("SELECT %s AS m FROM (VALUES ((%s)::%s)) t(x)", expr, v[0], c.typ)
			got, err := query(conn, sql)
			if err != nil || got[0] != v[1] {
				t.Errorf("%s over %s: %s gives %v (%v), want %s", c.mask, c.typ, v[0], got, err, v[1])
			}
			if typ := rows(t, conn, "SELECT pg_typeof(m) FROM ("+sql+") q")[0]; typ != strings.Split(after, "(")[0] && !strings.HasPrefix(after, "timestamp") {
				t.Errorf("%s over %s is of type %s, announced as %s", c.mask, c.typ, typ, after)
			}
		}
	}
	for _, c := range []struct {
		mask catalog.Mask
		typ  string
	}{{catalog.Email, "jsonb"}, {catalog.IP, "bigint"}, {catalog.Year, "integer"}, {catalog.Coarse, "text"}, {catalog.Length, "integer"}, {catalog.Email, "integer[]"}} {
		if _, _, ok := maskSQL(c.mask, "t.x", c.typ); ok {
			t.Errorf("%s over %s is accepted", c.mask, c.typ)
		}
	}
}

// Types of extensions, domains and enums, and a subject whose key is a text or
// a uuid: the names a session sees must mean what they meant.
func TestTypesAndKeys(t *testing.T) {
	for _, key := range []struct{ typ, one, two string }{
		{"uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b811-9dad-11d1-80b4-00c04fd430c8"},
		{"text", "anna O'Neil", "ø"},
		{"varchar(40)", "a", "b"},
		{"int", "7", "8"},
		{"personnr", "123", "124"},
	} {
		s := newStore(t, `CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE DOMAIN personnr AS bigint CHECK (VALUE > 0); CREATE TYPE tier AS ENUM ('free', 'paid')`,
			fmt.Sprintf(`CREATE TABLE people("Id" %[1]s PRIMARY KEY, handle citext, tier tier, tiers tier[], nr personnr, extra hstore, "weird ""col""" text, secret text);
			CREATE TABLE letters(id int PRIMARY KEY, "from" %[1]s, "to" %[1]s, friend %[1]s);
			CREATE TABLE pages(id int PRIMARY KEY, letter int, words text);
			CREATE TABLE homes(id int PRIMARY KEY, street text); ALTER TABLE people ADD home int;`, key.typ),
			fmt.Sprintf(`INSERT INTO people VALUES ('%[1]s', 'Anna', 'paid', '{free}', 5, 'a=>1', 'w', 's', 1), ('%[2]s', 'Bo', 'free', '{}', 6, NULL, NULL, NULL, 2);
			INSERT INTO letters VALUES (1, '%[1]s', '%[2]s', '%[2]s'), (2, '%[2]s', '%[1]s', NULL), (3, '%[2]s', '%[2]s', '%[1]s'), (4, NULL, '%[1]s', '%[1]s');
			INSERT INTO pages VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'); INSERT INTO homes VALUES (1, 'Storgata'), (2, 'Main St')`, strings.ReplaceAll(key.one, "'", "''"), key.two))
		c, err := catalog.Parse("c", []byte(`
zones: { eu: { residents: [IE], sites: { s: { country: IE, store: s } } } }
datasets:
  post:
    zone: eu
    sites: [s]
    tables:
      people: { subject: Id, columns: { Id: subject, handle: behaviour, tier: behaviour, tiers: behaviour, nr: behaviour, extra: special, 'weird "col"': content, home: key } }
      letters: { between: [from -> people, to -> people], columns: { id: key, from: subject, to: subject, friend: subject } }
      pages: { child: letter -> letters.id, columns: { id: key, letter: key, words: content } }
      homes: { via: people.home -> id, columns: { id: key, street: contact } }
`))
		if err != nil {
			t.Fatal(err)
		}
		s.ds = c.Dataset("post")
		s.apply()
		seq++
		grant := seq
		o, err := OpenSession(ctx, s.gate(), Session{Gate: "eu-1", Seq: grant, Lens: s.lens(Masked, Case), Grant: grant,
			Verifier: verifier(secret), Subjects: []string{key.one}, Key: sha256.Sum256([]byte("k"))})
		if err != nil {
			t.Fatalf("%s: %v", key.typ, err)
		}
		conn := s.as(o.Role, secret)
		kind := map[string]string{"uuid": "uuid", "int": "int", "personnr": "int"}[key.typ]
		p := Pseudonym(s.ds, kind, sha256.Sum256([]byte("k")), key.two)
		want(t, rows(t, conn, `SELECT "Id", handle, tier, tiers, nr, extra, "weird ""col""", pg_typeof(handle), pg_typeof(nr) FROM people WHERE tier = 'paid'`),
			key.one+"|Anna|paid|{free}|5|NULL|[up to 10 characters]|text|bigint")
		want(t, rows(t, conn, `SELECT * FROM letters ORDER BY id`),
			"1|"+key.one+"|"+p+"|"+p, "2|"+p+"|"+key.one+"|NULL", "4|NULL|"+key.one+"|"+key.one)
		want(t, rows(t, conn, `SELECT id FROM pages ORDER BY id`), "1", "2")
		want(t, rows(t, conn, `SELECT id FROM homes`), "1")
		if kind == "" && (len(p) != 26 || strings.ToLower(p) != p) {
			t.Errorf("a text pseudonym is 26 characters of lower-case base32, not %q", p)
		}
		if err := Drop(ctx, s.admin, "post", DropOptions{Sessions: true, Unfence: true}); err != nil {
			t.Fatal(err)
		}
	}
}
