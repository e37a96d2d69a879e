package sqllex

import "testing"

func TestFingerprint(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"", ""},
		{";;", ""},
		{"SELECT 1", "select ?"},
		{"SELECT  *\nFROM Users -- anna\nWHERE id = 42;", "select * from users where id = ?"},
		{"select \"Id\", u.handle from clips.users u where u.handle='anna'", `select "Id", u.handle from clips.users u where u.handle = ?`},
		{"select a /* 'anna' */ from t where b in (1,2, 3) and c=$1", "select a from t where b in (?) and c = $1"},
		{"select 'a'\n'b'", "select ?"},
		{"select E'it\\'s', B'01', x'ff', n'x', U&'d\\0061', $$anna$$, $t$anna$t$", "select ?"},
		{"select count(*), COUNT (*)", "select count(*), count (*)"},
		{"select 1e5, .5, 0x1f, 1_000", "select ?"},
		{"select a[1], b::text, '1'::regclass", "select a[?], b::text, ?::regclass"},
		{"select -1", "select - ?"},
		{"select a->>'b', a<=3", "select a ->> ?, a <= ?"},
		{"begin; select 'x' ;; commit;", "begin; select ?; commit"},
		{"set client_encoding to 'SJIS'", "set client_encoding to ?"},
		{"select ÄRGER, 'ärger'", "select Ärger, ?"},
		{"select 'anna", "select …"},
		{"select '\\''; explain select 1 --'", "select …"},
		{"select \xff 'anna'", "…"},
		{"values ('anna', 1), ('jonas', 2)", "values (?), (?)"},
		{"select * from t where name = 'anna' and note like 'x%' limit 10", "select * from t where name = ? and note like ? limit ?"},
	} {
		if got := string(Fingerprint(nil, []byte(c.sql))); got != c.want {
			t.Errorf("Fingerprint(%q)\n got %q\nwant %q", c.sql, got, c.want)
		}
	}
}

func TestFingerprintKeepsWhatIsInDst(t *testing.T) {
	if got := string(Fingerprint([]byte("?,"), []byte("1"))); got != "?,?" {
		t.Errorf("got %q", got)
	}
}
