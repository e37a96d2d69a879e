package scan_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/catalog/scan"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// hostile is a schema nobody should have and somebody has.
var hostile = `
	CREATE EXTENSION citext; CREATE EXTENSION hstore;
	CREATE SCHEMA other; CREATE TABLE other.elsewhere (id int PRIMARY KEY);
	CREATE TYPE tier AS ENUM ('free', 'paid'); CREATE TYPE pair AS (a int, b int);
	CREATE DOMAIN mailbox AS text CHECK (VALUE LIKE '%@%'); CREATE DOMAIN mailbox2 AS mailbox;
	CREATE TABLE "Küñde ""x""" ("Id" bigint PRIMARY KEY, "E-Mail" mailbox2, "select" text, "null" int, boss bigint REFERENCES "Küñde ""x""",
		tier tier, handle citext UNIQUE, tags text[], ips inet[], extra jsonb, shop hstore, both_ pair, picture bytea, born date,
		"a, b" text, "(c)" text, " d" text, "e.f" text, "g
h" text);
	CREATE TABLE "sélect -> x" (kunde_nr bigint NOT NULL REFERENCES "Küñde ""x""", note text);
	CREATE TABLE nokey ("Küñde_x_id" bigint NOT NULL REFERENCES "Küñde ""x""" ("Id"), at timestamptz);
	CREATE TABLE orders (shop int, nr int, kunde bigint REFERENCES "Küñde ""x""", elsewhere int REFERENCES other.elsewhere, PRIMARY KEY (shop, nr));
	CREATE TABLE lines (shop int, nr int, line int, what text, ref uuid, FOREIGN KEY (shop, nr) REFERENCES orders, PRIMARY KEY (shop, nr, line));
	CREATE TABLE parts (shop int, nr int, line int, part int, FOREIGN KEY (shop, nr, line) REFERENCES lines) PARTITION BY RANGE (part);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (part);
	CREATE TABLE parts_1_1 PARTITION OF parts_1 DEFAULT;
	CREATE TABLE other.parts_2 PARTITION OF parts DEFAULT;
	CREATE TABLE chicken (id int PRIMARY KEY, egg int, kunde bigint REFERENCES "Küñde ""x""");
	CREATE TABLE egg (id int PRIMARY KEY, chicken int REFERENCES chicken);
	ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg;
	CREATE TABLE ping (id int PRIMARY KEY, pong int); CREATE TABLE pong (id int PRIMARY KEY, ping int REFERENCES ping);
	ALTER TABLE ping ADD FOREIGN KEY (pong) REFERENCES pong;
	CREATE TABLE "dot.ted" (id int PRIMARY KEY, kunde bigint REFERENCES "Küñde ""x""");
	CREATE TABLE nothing ();
	CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, kunde bigint REFERENCES "Küñde ""x""", updated_by bigint REFERENCES "Küñde ""x""");
	CREATE VIEW peeping AS SELECT * FROM orders; CREATE MATERIALIZED VIEW still AS SELECT * FROM orders;
	CREATE TABLE "` + "x: y # z\u2028- k: *v" + `" (id int PRIMARY KEY, kunde bigint REFERENCES "Küñde ""x""")`

func TestHostileSchema(t *testing.T) {
	conn := database(t, hostile)
	for _, rows := range []string{"", `INSERT INTO "Küñde ""x""" ("Id", "E-Mail", handle, tags, extra, shop, "a, b") SELECT i, 'a' || i || '@b.example', 'h' || i, ARRAY['x', NULL], '{"a": "b@c.example"}', 'a=>b', '192.0.2.' || i FROM generate_series(1, 40) i;
		INSERT INTO orders SELECT i, 1, i FROM generate_series(1, 40) i; INSERT INTO lines SELECT i, 1, 1, 'Anna Berg' FROM generate_series(1, 40) i;
		INSERT INTO parts SELECT i, 1, 1, i FROM generate_series(1, 40) i; ANALYZE`} {
		if rows != "" {
			run(t, conn, rows)
		}
		text := draft(t, conn, scan.Options{})
		ds := accepted(t, conn, text)
		if s := ds.Subject(); s.Name != `Küñde "x"` || s.Key != "Id" {
			t.Fatalf("subject %s.%s\n%s", s.Name, s.Key, text)
		}
		for table, want := range map[string]string{
			"nokey":  "child [Küñde_x_id] -> Küñde \"x\" [Id]",
			"orders": "child [kunde] -> Küñde \"x\" [Id]",
			"lines":  "child [shop nr] -> orders [shop nr]",
			"parts":  "child [shop nr line] -> lines [shop nr line]",
			// Each hangs on itself or on the other; the way to the subject is no circle.
			"chicken": "child [kunde] -> Küñde \"x\" [Id]",
			"egg":     "child [chicken] -> chicken [id]",
			"tree":    "child [kunde] -> Küñde \"x\" [Id]",
		} {
			if got := kindOf(ds, table); got != want {
				t.Errorf("%s is %s, want %s", table, got, want)
			}
		}
		for _, table := range []string{"sélect -> x", "ping", "pong", "dot.ted", "nothing", "peeping", "still", "parts_1", "elsewhere"} {
			if ds.Table(table) != nil {
				t.Errorf("%s is in the draft", table)
			}
		}
		s := ds.Subject()
		for column, want := range map[string]string{
			"boss": "subject/pseudonym", "E-Mail": "contact/email", "born": "birth/date", "picture": "identity/hide", "handle": "identity/name",
			"extra": "", "shop": "", "both_": "", "null": "", " d": "", "e.f": "", "g\nh": "",
		} {
			if got := categoryOf(s, column); got != want {
				t.Errorf("column %q is %q, want %q", column, got, want)
			}
		}
		if rows == "" {
			continue
		}
		if got := categoryOf(s, "a, b"); got != "network/ip" {
			t.Errorf("addresses under a meaningless name are %q", got)
		}
		if got := categoryOf(ds.Table("lines"), "what"); got != "identity/name" {
			t.Errorf("names under a meaningless name are %q", got)
		}
		for _, want := range []string{
			`# extra: unclassified, jsonb; jsonb can hold anything; nearly all sampled values contain an e-mail address`,
			`# "g\nh": unclassified, text; a catalogue cannot say its name`,
			`#   ping: nothing joins it to "Küñde \"x\""`, `#   peeping: a view`, `#   dot.ted: `, `in 2 partitions`,
			`# updated_by names another person, by its name one who touched the row`,
			`# elsewhere: unclassified, integer; it points at other.elsewhere, outside of the schema`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the draft does not say %s", want)
			}
		}
		if t.Failed() {
			t.Log(text)
		}
	}
}

func kindOf(ds *catalog.Dataset, name string) string {
	t := ds.Table(name)
	if t == nil {
		return "unclassified"
	}
	text := t.Kind.String()
	for _, p := range t.Paths {
		text += fmt.Sprintf(" %s -> %s %s", p.Columns, p.Parent, p.ParentColumns)
	}
	return text
}

func categoryOf(t *catalog.Table, name string) string {
	c, ok := t.Column(name)
	if !ok {
		return ""
	}
	return string(c.Category) + "/" + string(c.Mask)
}

// No value of the store is in anything a scan leaves behind: not in drafts, not
// in errors, not in the store's own log.
func TestNoValueLeaves(t *testing.T) {
	canary := "cAnArY"
	conn := database(t, `CREATE TABLE users (id text PRIMARY KEY, email text, name text, born date, card text, salary numeric, ip inet, data jsonb, "odd" text, phone text, tags text[]);
		CREATE TABLE "few" (id int PRIMARY KEY, user_id text REFERENCES users, what text, country text);
		INSERT INTO users SELECT 'cAnArY' || i, 'cAnArY' || i || '@cAnArY.example', 'Anna cAnArY' || i, date '1871-03-04' + i * 100, '4111111111111111', 918273645 + i, '198.51.100.77',
			'{"cAnArY": "cAnArY"}', 'cAnArY', '+49 30 918273645', '{cAnArY}' FROM generate_series(1, 500) i;
		INSERT INTO "few" VALUES (1, 'cAnArY1', 'cAnArY', 'ZQ'); ANALYZE`)
	text := draft(t, conn, scan.Options{})
	accepted(t, conn, text)
	for _, secret := range []string{canary, "918273645", "1871", "198.51.100", "411111", "ZQ", "Anna"} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			t.Errorf("the draft holds %s\n%s", secret, text)
		}
	}

	log, err := os.ReadFile(shared.Log())
	if err != nil {
		t.Fatal(err)
	}
	if len(log) == 0 || strings.Contains(string(log), canary) {
		t.Error("the store's log holds a value, or nothing at all")
	}
}

// A schema of a thousand tables is drafted, and what hangs on what is found.
func TestThousandTables(t *testing.T) {
	var ddl strings.Builder
	ddl.WriteString("CREATE TABLE users (id bigint PRIMARY KEY, email text);")
	for i := range 999 {
		key, parent := "id bigint, ", "users"
		if i < 100 {
			key = "id bigint PRIMARY KEY, "
		}
		if i > 10 {
			parent = fmt.Sprintf("t%d", i/10)
		}
		fmt.Fprintf(&ddl, "CREATE TABLE t%d (%s up bigint REFERENCES %s, name varchar(50), ip inet, born date, at timestamptz, note varchar(90));", i, key, parent)
	}
	conn := database(t, ddl.String())
	seen := 0
	text := draft(t, conn, scan.Options{Progress: func(done, total int) {
		if done != seen || total != 1000 {
			t.Errorf("progress %d of %d after %d", done, total, seen)
		}
		seen++
	}})
	ds := accepted(t, conn, text)
	if len(ds.Tables) != 1000 || seen != 1001 {
		t.Errorf("%d tables, %d calls of progress", len(ds.Tables), seen)
	}
	if len(text) > catalog.MaxBytes {
		t.Errorf("%d bytes are more than a catalogue may have", len(text))
	}
}

// Twice the same, and what is sampled of a large table is a few pages.
func TestLargeTable(t *testing.T) {
	conn := database(t, `CREATE TABLE users (id bigint PRIMARY KEY, email text, filler text);
		INSERT INTO users SELECT i, CASE WHEN i < 1000 THEN 'x' ELSE 'a@b.example' END, repeat('x', 200) FROM generate_series(1, 60000) i; ANALYZE`)
	read := func() (pages, read int) {
		run(t, conn, "SELECT pg_stat_force_next_flush()")
		if err := conn.QueryRow(ctx, "SELECT c.relpages, s.heap_blks_read + s.heap_blks_hit FROM pg_class c JOIN pg_statio_user_tables s ON s.relid = c.oid WHERE c.relname = 'users'").Scan(&pages, &read); err != nil {
			t.Fatal(err)
		}
		return pages, read
	}
	_, before := read()
	text := draft(t, conn, scan.Options{})
	// The first thousand rows say something else.
	if !strings.Contains(text, "email: contact/email  # by its name; nearly all sampled values look like e-mail addresses") {
		t.Error(text)
	}
	if again := draft(t, conn, scan.Options{}); again != text {
		t.Errorf("another draft the second time:\n%s\n%s", text, again)
	}
	if pages, after := read(); after == before || after-before > pages/4 {
		t.Errorf("two scans read %d of %d pages", after-before, pages)
	}
}

// References that nobody declared are found when names and values say so.
func TestWithoutForeignKeys(t *testing.T) {
	conn := database(t, `CREATE TABLE customers (id int PRIMARY KEY, email text, home_country text, secret_handshake int);
		CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int, at timestamptz);
		CREATE TABLE items (id int PRIMARY KEY, order_id int, price numeric);
		CREATE TABLE wrong (id int PRIMARY KEY, customer_id int, at timestamptz);
		INSERT INTO customers SELECT i, i || '@b.example', 'IE' FROM generate_series(1, 50) i;
		INSERT INTO orders SELECT i + 1000, i, now() FROM generate_series(1, 50) i;
		INSERT INTO items SELECT i, i + 1000, 5 FROM generate_series(1, 50) i;
		INSERT INTO wrong SELECT i, i + 7000 FROM generate_series(1, 50) i; ANALYZE`)
	text := draft(t, conn, scan.Options{})
	ds := accepted(t, conn, text)
	for table, want := range map[string]string{"orders": "child [customer_id] -> customers [id]", "items": "child [order_id] -> orders [order_id]", "wrong": "unclassified"} {
		if got := kindOf(ds, table); got != want {
			t.Errorf("%s is %s, want %s\n%s", table, got, want, text)
		}
	}
	if !strings.Contains(text, "child: customer_id -> customers  # CONFIRM: no foreign key says so; its name does") || ds.Subject().Home.Column != "home_country" {
		t.Error(text)
	}
}

// What a scan cannot do it says, and the next command.
func TestRefusals(t *testing.T) {
	conn := database(t, "CREATE TABLE colours (id int PRIMARY KEY, name text); CREATE TABLE users (email text, name text); CREATE TABLE members (a int, b int, email text, PRIMARY KEY (a, b))")
	for _, c := range []struct {
		o    scan.Options
		want string
	}{
		{scan.Options{}, "no table of schema \"public\" can be told to hold the data subjects"},
		{scan.Options{Subject: "users"}, "table \"users\" has no unique key of one column"},
		{scan.Options{Subject: "users.nr"}, "table \"users\" has no column \"nr\""},
		{scan.Options{Schema: "nobody's"}, "schema \"nobody's\" of database"},
	} {
		_, err := scan.Scan(ctx, conn, c.o)
		var f *fault.Error
		if !errors.As(err, &f) || !strings.HasPrefix(f.Message, c.want) || f.Hint == "" && c.o.Subject != "users.nr" {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	ended, stop := context.WithCancel(ctx)
	d, err := scan.Scan(ended, conn, scan.Options{Subject: "members.a", Progress: func(int, int) { stop() }})
	if d != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("after the person gave up: %v", err)
	}
	conn = pgtest.Connect(t, conn.Config().ConnString())
	if text := draft(t, conn, scan.Options{Subject: "members.a"}); !slices.Contains(strings.Split(text, "\n"), "          a: subject  # the key of the data subject") {
		t.Error(text)
	}
}
