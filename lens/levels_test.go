package lens

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/catalog"
)

func TestClearShowsWhatTheTableHolds(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	seq++
	_, bulk := s.sessionOf(gate, seq, Clear, Bulk)
	for _, table := range []string{"users", "devices", "messages", "orders", "countries"} {
		list := "SELECT * FROM " + table + " ORDER BY 1"
		want(t, rows(t, bulk, list), rows(t, s.admin, strings.Replace(list, table, "public."+table, 1))...)
	}
	want(t, rows(t, s.admin, "SELECT count(pads) FROM trefoil.session"), "0") // nobody's key is needed
	seq++
	grant := seq
	_, c := s.sessionOf(gate, grant, Clear, Case, "1")
	want(t, rows(t, c, "SELECT id, email, born FROM users"), "1|anna.berg@example.no|1988-07-14")
	other := Pseudonym(s.ds, "int", grantKey(grant), "2")
	want(t, rows(t, c, "SELECT sender_id, recipient_id, body FROM messages WHERE id = 21"), "1|"+other+"|hello")
}

func TestPseudonymsInBulk(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	seq++
	grant := seq
	p := func(grant uint64, key string) string { return Pseudonym(s.ds, "text", grantKey(grant), key) }
	_, c := s.sessionOf(gate, grant, Pseudonymous, Bulk)
	if x := p(grant, "1"); len(x) != 26 || strings.Trim(x, "abcdefghijklmnopqrstuvwxyz234567") != "" || x == p(grant, "2") {
		t.Errorf("a pseudonym is 26 characters of base32, not %q", x)
	}
	want(t, rows(t, c, "SELECT * FROM users ORDER BY created_at"),
		p(grant, "1")+"|NULL|NULL|NULL|NULL|1988-01-01|NO|NULL|2024-01-05 00:00:00+00",
		p(grant, "2")+"|NULL|NULL|NULL|NULL|2001-01-01|IE|NULL|2024-02-05 00:00:00+00",
		p(grant, "3")+"|NULL|NULL|NULL|NULL|NULL|NO|NULL|2024-03-05 00:00:00+00")
	want(t, rows(t, c, "SELECT id, sender_id, recipient_id FROM messages WHERE id IN (21, 25) ORDER BY id"), "21|"+p(grant, "1")+"|"+p(grant, "2"), "25|NULL|"+p(grant, "1"))
	want(t, rows(t, c, "SELECT u.country, count(*) FROM users u JOIN messages m ON m.sender_id = u.id GROUP BY 1 ORDER BY 1"), "IE|1", "NO|4")
	want(t, rows(t, c, "SELECT country FROM users WHERE id = '"+p(grant, "2")+"'"), "IE")
	want(t, rows(t, c, "SELECT count(*) FROM users WHERE id IN ('1', '2', '3')"), "0")

	seq++
	_, again := s.sessionOf(gate, grant, Pseudonymous, Bulk)
	want(t, rows(t, again, "SELECT id FROM users WHERE country = 'IE'"), p(grant, "2"))
	seq++
	other := seq
	_, elsewhere := s.sessionOf(gate, other, Pseudonymous, Bulk)
	want(t, rows(t, elsewhere, "SELECT id FROM users WHERE country = 'IE'"), p(other, "2"))
	if p(other, "2") == p(grant, "2") {
		t.Error("two grants share a pseudonym")
	}
	denied(t, c, "SELECT pads FROM trefoil.session")
}

func TestPseudonymsInACase(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	gate := s.gate()
	seq++
	grant := seq
	p := func(key string) string { return Pseudonym(s.ds, "text", grantKey(grant), key) }
	o, c := s.sessionOf(gate, grant, Pseudonymous, Case, " 1", "01", "3")
	want(t, rows(t, c, "SELECT id, country, handle FROM users ORDER BY created_at"), p("1")+"|NO|NULL", p("3")+"|NO|NULL")
	want(t, rows(t, c, "SELECT id, user_id FROM devices ORDER BY id"), "11|"+p("1"), "12|"+p("3"))
	want(t, rows(t, c, "SELECT id, sender_id, recipient_id FROM messages ORDER BY id"),
		"21|"+p("1")+"|"+p("2"), "22|"+p("3")+"|"+p("1"), "23|"+p("2")+"|"+p("3"), "24|"+p("1")+"|"+p("1"), "25|NULL|"+p("1"), "26|"+p("3")+"|NULL")
	want(t, rows(t, c, "SELECT m.id FROM users u JOIN messages m ON m.sender_id = u.id WHERE u.id = '"+p("3")+"' ORDER BY 1"), "22", "26")
	want(t, rows(t, s.admin, "SELECT key_int, pseudonym FROM trefoil.scope WHERE grant_id = "+fmt.Sprint(grant)+" ORDER BY 1"), "1|"+p("1"), "3|"+p("3"))

	// The same grant with another key would give the same people other names.
	seq++
	_, err := OpenSession(ctx, gate, Session{Gate: "eu-1", Seq: seq, Lens: s.lens(Pseudonymous, Case), Grant: grant, Verifier: verifier(secret), Subjects: []string{"1", "3"}})
	if err == nil || !strings.Contains(err.Error(), "has another pseudonym key already") {
		t.Errorf("another key for the same grant: %v", err)
	}
	if err := CloseSession(ctx, gate, o.Role); err != nil {
		t.Fatal(err)
	}
	want(t, rows(t, s.admin, "SELECT (SELECT count(*) FROM trefoil.scope), (SELECT count(*) FROM trefoil.session)"), "0|0")
}

// catalogued replaces the dataset of a test store.
func (s *testStore) catalogued(name, tables string) {
	s.t.Helper()
	c, err := catalog.Parse("c", []byte("zones: { eu: { residents: [IE], sites: { s: { country: IE, store: s } } } }\ndatasets:\n  "+name+
		":\n    zone: eu\n    sites: [s]\n    tables:\n"+tables))
	if err != nil {
		s.t.Fatal(err)
	}
	s.ds = c.Dataset(name)
}

// Where no view names anybody outside the case, the grant's key stays with the gate.
func TestTheKeyStaysOutOfAStoreThatDoesNotNeedIt(t *testing.T) {
	s := newStore(t, few)
	s.catalogued("small", `
      users: { subject: id, columns: { id: subject, email: contact, country: residence } }
      devices: { child: user_id -> users, columns: { id: key, user_id: subject, platform: device } }
      signins: { child: device_id -> devices.id, columns: { id: key, device_id: key, user_id: subject, ok: behaviour } }
`)
	s.exec("INSERT INTO signins VALUES (41, 1, 11, now(), NULL, 1, 2, true), (42, 2, 11, now(), NULL, 1, 2, true)")
	s.apply()
	if s.lens(Masked, Case).Pads == false || s.lens(Clear, Bulk).Pads {
		t.Error("signins.user_id can name somebody outside the case, and in bulk nobody is outside")
	}
	s.catalogued("small", `
      users: { subject: id, columns: { id: subject, email: contact, country: residence } }
      devices: { child: user_id -> users, columns: { id: key, user_id: subject, platform: device } }
      signins: { child: device_id -> devices.id, columns: { id: key, device_id: key, ok: behaviour } }
`)
	s.apply()
	seq++
	_, c := s.sessionOf(s.gate(), seq, Pseudonymous, Case, "1")
	_, err := OpenSession(ctx, s.gate(), Session{Gate: "eu-1", Seq: 1, Lens: s.lens(Pseudonymous, Case), Grant: seq - 1, Verifier: verifier(secret), Subjects: []string{"1"}})
	if err == nil || !strings.Contains(err.Error(), "has other pseudonyms already") {
		t.Errorf("another key for the same grant: %v", err)
	}
	want(t, rows(t, c, "SELECT user_id, platform FROM devices"), Pseudonym(s.ds, "text", grantKey(seq-1), "1")+"|ios")
	want(t, rows(t, c, "SELECT id FROM signins ORDER BY id"), "41", "42")
	want(t, rows(t, s.admin, "SELECT count(pads) FROM trefoil.session"), "0")
	if s.lens(Pseudonymous, Case).Pads || !s.lens(Pseudonymous, Bulk).Pads {
		t.Error("in a case no key is needed, and in bulk it is")
	}
}

func TestNarrowerThanTheLens(t *testing.T) {
	s := newStore(t, few, "CREATE TABLE health(user_id bigint, note text, code text, hash text); INSERT INTO health VALUES (1, 'asthma', 'J45', 'x')",
		"CREATE TABLE cards(user_id bigint, nr text); INSERT INTO cards VALUES (1, '4242')")
	s.catalogued("small", `
      users: { subject: id, columns: { id: subject, email: contact/email/masked, phone: contact/phone } }
      health: { child: user_id -> users, columns: { user_id: subject, note: special, code: special/hide/clear, hash: credential } }
      cards: { child: user_id -> users, lenses: [masked], columns: { user_id: subject, nr: financial/keep } }
`)
	s.apply()
	gate := s.gate()
	_, clear := s.sessionOf(gate, 1, Clear, Bulk)
	want(t, rows(t, clear, "SELECT email, phone FROM users WHERE id = 1"), "a***@***|+47 912 34 567")
	want(t, rows(t, clear, "SELECT * FROM health"), "1|NULL|J45|NULL")
	_, masked := s.sessionOf(gate, 2, Masked, Bulk)
	want(t, rows(t, masked, "SELECT * FROM health"), "1|NULL|NULL|NULL")
	want(t, rows(t, masked, "SELECT * FROM cards"), "1|4242")
	for _, c := range []Querier{clear, second(s.sessionOf(gate, 3, Pseudonymous, Bulk))} {
		if _, err := query(c, "SELECT * FROM cards"); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("a table outside the lens: %v", err)
		}
	}
	want(t, rows(t, s.admin, "SELECT has_column_privilege(rolname, 'public.health', 'hash', 'SELECT') FROM pg_roles WHERE rolname ~ '^trefoil_v_small'"), "f")
}

// A lens that leaves the catalogue opens no more sessions, and goes with its last.
func TestADatasetWithFewerLenses(t *testing.T) {
	s := newStore(t, few)
	s.catalogued("small", "      users: { subject: id, columns: { id: subject, email: contact } }\n")
	s.apply()
	gate := s.gate()
	compiled := s.lens(Clear, Bulk)
	o, _ := s.sessionOf(gate, 1, Clear, Bulk)
	s.catalogued("small", "      users: { subject: id, columns: { id: subject, email: contact } }\n    lenses: [masked]\n")
	s.apply()
	want(t, rows(t, s.admin, "SELECT lens, scope FROM trefoil.lens WHERE in_force ORDER BY 1, 2"), "masked|bulk", "masked|case")
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^small_'"), "3")
	seq++
	if _, err := OpenSession(ctx, gate, Session{Gate: "eu-1", Seq: seq, Lens: compiled, Verifier: verifier(secret)}); err == nil || !strings.Contains(err.Error(), "no lens small/clear") {
		t.Errorf("a session of a lens that left: %v", err)
	}
	if err := CloseSession(ctx, gate, o.Role); err != nil {
		t.Fatal(err)
	}
	s.apply()
	want(t, rows(t, s.admin, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^small_'"), "2")
}

func second[A, B any](_ A, b B) B { return b }

// Everything that hangs on a minor is shown one level narrower.
func TestMinors(t *testing.T) {
	s := newStore(t, few)
	s.exec(`CREATE TABLE homes(id bigint PRIMARY KEY, street text, rooms int); ALTER TABLE users ADD home bigint; INSERT INTO homes VALUES (1, 'Storgata', 3), (2, 'Main St', 4);
		UPDATE users SET home = 1 WHERE id = 1; UPDATE users SET home = 2 WHERE id IN (2, 3);
		UPDATE users SET born = (now() AT TIME ZONE 'UTC')::date - interval '18 years' WHERE id = 1;
		UPDATE users SET born = (now() AT TIME ZONE 'UTC')::date - interval '18 years' + interval '1 day' WHERE id = 2;
		INSERT INTO users(id, handle, email, born) VALUES (4, 'immortal', 'i@x.ie', 'infinity'), (5, 'old', 'o@x.ie', '-infinity'), (6, 'far', 'f@x.ie', '5874897-12-31');
		INSERT INTO views VALUES (51, 1, NULL, now(), 100), (52, 2, NULL, now(), 100), (53, 3, NULL, now(), 100);
		CREATE TABLE clips_of_views(view_id bigint, seconds int); INSERT INTO clips_of_views VALUES (51, 5), (52, 6)`)
	s.catalogued("young", `
      users: { subject: id, minor: born under 18, columns: { id: subject, handle: identity, email: contact/email, born: birth, country: residence, home: key } }
      views: { child: user_id -> users, columns: { id: key, user_id: subject, watched_ms: behaviour } }
      clips_of_views: { child: view_id -> views.id, columns: { view_id: key, seconds: behaviour } }
      messages: { between: [sender_id -> users, recipient_id -> users], columns: { id: key, sender_id: subject, recipient_id: subject, body: content } }
      homes: { via: users.home -> id, columns: { id: key, street: contact/text, rooms: reference } }
`)
	s.apply()
	gate := s.gate()
	_, clear := s.sessionOf(gate, 1, Clear, Bulk)
	want(t, rows(t, clear, "SELECT id, email FROM users ORDER BY id"), "1|anna.berg@example.no", "2|l***@***", "3|n***@***", "4|i***@***", "5|o@x.ie", "6|f***@***")
	want(t, rows(t, clear, "SELECT id, body FROM messages WHERE id IN (21, 24) ORDER BY id"), "21|[up to 10 characters]", "24|note to self")
	want(t, rows(t, clear, "SELECT id, street FROM homes ORDER BY id"), "1|Storgata", "2|[up to 10 characters]")
	_, masked := s.sessionOf(gate, 2, Masked, Bulk)
	want(t, rows(t, masked, "SELECT id, handle, email, country FROM users WHERE id < 4 ORDER BY id"), "1|a.|a***@***|NO", "2|NULL|NULL|IE", "3|NULL|NULL|NO")
	_, pseudo := s.sessionOf(gate, 3, Pseudonymous, Bulk)
	want(t, rows(t, pseudo, "SELECT id, watched_ms FROM views ORDER BY id"), "51|100", "52|NULL", "53|NULL")
	want(t, rows(t, pseudo, "SELECT * FROM clips_of_views ORDER BY 1"), "51|5", "52|NULL")
	want(t, rows(t, pseudo, "SELECT id, rooms FROM homes ORDER BY 1"), "1|3", "2|4")
	_, one := s.sessionOf(gate, 4, Clear, Case, "2")
	want(t, rows(t, one, "SELECT email FROM users"), "l***@***")
	for _, c := range []Querier{clear, masked, pseudo, one} {
		if _, err := query(c, "SET timezone = 'Pacific/Kiritimati'"); err != nil {
			t.Fatal(err)
		}
	}
	want(t, rows(t, masked, "SELECT handle FROM users WHERE id < 3 ORDER BY id"), "a.", "NULL") // nobody comes of age by a setting
	s.catalogued("young", `
      users: { subject: id, minor: email under 18, columns: { id: subject, email: birth } }
`)
	want(t, s.plan().Problems, "column users.email is text and cannot say who is a minor; a boolean can, or a date with under")
}
