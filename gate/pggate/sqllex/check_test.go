package sqllex

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// attacks holds texts that are harmless as they stand and hold another
// statement for a server in another state; TestAttacksAreReal shows that they
// do. The first two are the races that were run against PostgreSQL.
var attacks = []struct {
	sql    string
	reason Reason
}{
	{`select '\''; explain (analyze, costs off) select * from users --'`, BackslashQuote},
	{"select E'\u00c1\\'; explain select * from users --'", EscapeAfterHigh},
	{`select N'\''; explain select 1 --'`, BackslashQuote},
	{`select 'a'
 'b\''; explain select 1 --'`, BackslashQuote},
	{`select E'a'
 '\''; explain select 1 --'`, BackslashQuote},
	{"select \u00e9@U&'\\''; explain select 1 --'", BackslashQuote},
	{"select \u00e9@b'\\''; explain select 1 --'", BackslashQuote},
	// 81 5F is a backslash in SHIFT_JIS_2004
	{"select '\u00c1_''; explain select 1 --'", BackslashQuote},
	{"select E'\u00c1_''; explain select 1 --'", EscapeAfterHigh},
	// a swallowed operator makes one name of two
	{"select \u00e9@E'\\'; explain select 1 --'", Shifted},
	{"select \u00e9|e'\\'; explain select 1 --'", Shifted},
	{"select \u00e9@$$; explain select 1; select \u00e9@$$", Shifted},
	{"select \u00e9~$a$; explain select 1; select \u00e9~$a$", Shifted},
	// 81 B0 is a tilde in SHIFT_JIS_2004
	{"select \u3042\u3070$$,'$$; explain select 1 --'", SplitName},
	// two tags that are one in an encoding with duplicates
	{"select $\u00e9$ $\u00fc$; explain select 1 --$\u00e9$", Dollar},
}

// refused holds texts that must not reach a store, with the reason.
var refused = []struct {
	sql    string
	reason Reason
}{
	{`select N'\''; explain select 1 --'`, BackslashQuote},
	{`select B'\'; explain select 1 --'`, BackslashQuote},
	{`select '\\'; explain select 1 --'`, BackslashQuote},
	{`select 'a''\'; explain select 1 --'`, BackslashQuote},
	{"select E'a' -- c\n '\\''; explain select 1 --'", BackslashQuote}, // pg_query does not continue over comments, PostgreSQL does
	{"select E'\u00c1_'", EscapeAfterHigh},
	{"select \u00e9|e'\\''", Shifted},
	{"select 1 as \u3042\u3070into t", SplitName},
	{"select $\u3042$ ; $\u3042$", Dollar},
	{"select $\u3042@b$ ; $", Dollar},
	{"select 1 as a$b, 2$$x$$", Number},
	{"select 1$$x$$", Number},
	{"select $1a", Number},
	{"select $1$a$", Number},
	{"select 1e'\\''", Number},
	{"select 0b'1'", Number},
	{"select 1into", Number},
	{"select 1_", Number},
	{"select \\d", Backslash},
	{"select 1\v", Control},
	{"select\u00011", Control},
	{"select 'a\x00'", NUL},
	{"select '\xc3'", InvalidUTF8},
	{"select '\xed\xa0\x80'", InvalidUTF8},
	{"select 'a", Unterminated},
	{"select \"a", Unterminated},
	{"select $$a", Unterminated},
	{"select E'a\\'", Unterminated},
	{"select /* a /* */", Unterminated},
	{strings.Repeat("select 1;", MaxStatements+1), TooManyStatements},

	// What follows is no literal and no comment.
	{"select 1 +-- '\n; explain select 1 --'", NotServed},
	{"select 1 -- '\r; explain select 1 --'", NotServed},
	{"select 1 +/* ' */; explain select 1 --'", NotServed},
	{"select 1 /*/* ' */*/; explain select 1 --'", NotServed},
	{"select 1 /* /* */ ' */; explain select 1 --'", NotServed},
	{"select 1 /*/ ' */; explain select 1 --'", NotServed},
	{"select $a$ $b$ $a$; explain select 1 --$b$", NotServed},
	{"select \"a\"\"\"; explain select 1 --\"", NotServed},
	{"select a$b$; explain select 1 --$b$", NotServed},
	{"select xE'a'; explain select 1 --'", NotServed},

	{"explain select 1", NotServed},
	{"EXPLAIN (ANALYZE) SELECT 1", NotServed},
	{"select 1; explain select 1", NotServed},
	{"/* */explain/**/select 1", NotServed},
	{"listen x", NotServed}, {"notify x, 'y'", NotServed}, {"unlisten x", NotServed},
	{"alter role self set x = 1", NotServed}, {"alter user self password 'x'", NotServed},
	{"do $$begin end$$", NotServed}, {"call f()", NotServed}, {"load 'x'", NotServed},
	{"create temp table t (a int)", NotServed}, {"create table t as execute p", NotServed},
	{"lock table users", NotServed}, {"vacuum", NotServed}, {"analyze users", NotServed}, {"truncate users", NotServed},
	{"insert into t values (1)", NotServed}, {"update t set a = 1", NotServed}, {"delete from t", NotServed},
	{"merge into t using s on true when matched then delete", NotServed}, {"drop table t", NotServed}, {"grant select on t to u", NotServed},
	{"comment on table t is 'x'", NotServed}, {"security label on table t is 'x'", NotServed}, {"checkpoint", NotServed}, {"refresh materialized view v", NotServed},
	{"analyse t", NotServed}, {"import foreign schema s from server x into y", NotServed}, {"reindex table t", NotServed},
	{"frobnicate", UnknownStatement}, {"'select'", UnknownStatement}, {"\"select\" 1", UnknownStatement}, {"\ufeffselect 1", UnknownStatement}, {"(explain select 1)", NotServed}, {"()", UnknownStatement},

	{"select * into t from users", Into}, {"with a as (select 1) select * into t from a", Into}, {"select 1 as into", Into}, {"select 1. into t", Into}, {"prepare p as select 1 into t", Into},
	{"with a as (insert into t values (1) returning *) select * from a", Modifying},
	{"with a as (delete from t returning *) select * from a", Modifying},
	{"with a as (select 1) update t set x = 1", Modifying}, {"prepare p as update t set x = 1", NotServed}, {"with a as (update t set x = 1 returning x) select 1 as update from a", Modifying},
	{"select t.as update", Modifying}, {"select 1 \"as\" update", Modifying}, {"select 1 as update, 2 update", Modifying}, {"select 1 as into", Into},
	{"with recursive a as (select 1) search depth first by x set y merge into t using a on true when matched then delete", Modifying},
	{"copy (insert into t values (1) returning *) to stdout", NotServed}, {"copy (with a as (delete from t returning 1) table a) to stdout", Modifying},
	{"prepare p as insert into t values (1)", NotServed}, {"prepare p as explain select 1", NotServed}, {"prepare p as execute q", NotServed},
	{"select * from users for update", Locking}, {"select * from users for no key update", Locking}, {"select * from users for share", Locking}, {"table users for key share", Locking},
	{"declare c cursor for select * from users for /* */ share", Locking}, {"declare c cursor for delete from t", NotServed},

	{"copy users to stdout", CopyForm}, {"copy users from stdin", CopyForm}, {"copy (select 1) to '/tmp/x'", CopyForm}, {"copy (select 1) to program 'sh'", CopyForm},
	{"copy (select 1) from stdin", CopyForm}, {"copy (select ')') to 'x'", CopyForm}, {"copy binary users to stdout", CopyForm}, {"copy (select 1", Malformed},
	{"prepare transaction 'x'", TwoPhase}, {"commit prepared 'x'", TwoPhase}, {"rollback prepared 'x'", TwoPhase},
	{"prepare p", Malformed}, {"prepare p (int as select 1", Malformed}, {"prepare \u00e9@as as delete from t", Malformed}, {"declare c for select 1", Malformed}, {"declare c cursor with for select 1", Malformed},
	{"start replication", Malformed}, {"savepoint", Malformed}, {"execute 'p'", Malformed},
	{"set transaction snapshot '0-1'", Snapshot},
	{"set role other", SetForm}, {"set local role none", SetForm}, {"set session role x", SetForm}, {"set session authorization x", SetForm}, {"set session session authorization default", SetForm}, {"set constraints all deferred", SetForm},
	{"set role = 'x'", SettingRefused}, {"set \"role\" to x", SettingRefused}, {"set ROLE to x", SettingRefused}, {"set U&\"r\\006fle\" to x", SettingRefused}, {"set session_authorization = x", SettingRefused},
	{"set search_path to public", SettingRefused}, {"set schema 'public'", SettingRefused}, {"set work_mem = '1GB'", SettingRefused}, {"set row_security = off", SettingRefused}, {"set my.setting = 'x'", SettingRefused}, {"set enable_seqscan = off", SettingRefused},
	{"set client_encoding to 'SJIS'", ValueRefused}, {"set client_encoding = sjis", ValueRefused}, {"set names 'SJIS'", ValueRefused}, {"set local client_encoding = E'utf8'", ValueRefused}, {"set client_encoding to 'utf8'\n'x'", ValueRefused}, {"set names e'SJIS'", ValueRefused},
	{"set standard_conforming_strings = off", ValueRefused}, {"set standard_conforming_strings to 0", ValueRefused}, {"set client_min_messages to log", ValueRefused}, {"set client_min_messages = 'DEBUG5'", ValueRefused},
	{"set application_name from current", Malformed}, {"set datestyle", Malformed}, {"set", Malformed}, {"set transaction = x", Malformed}, {"set time 'UTC'", Malformed},
	{"reset role", SettingRefused}, {"reset session authorization", SettingRefused}, {"reset work_mem", SettingRefused}, {"reset", Malformed},
}

func TestRefused(t *testing.T) {
	var v Verdict
	for _, c := range append(attacks[:len(attacks):len(attacks)], refused...) {
		sql := []byte(c.sql)
		if Check(sql, &v) {
			t.Errorf("%q is permitted", c.sql)
			continue
		}
		if v.Refusal.Reason != c.reason {
			t.Errorf("%q is refused for %d, want %d: %v", c.sql, v.Refusal.Reason, c.reason, v.Err())
		}
		var f *fault.Error
		if err := v.Err(); !errors.As(err, &f) || f.Hint == "" || strings.Contains(f.Message+f.Hint, "%!") {
			t.Errorf("%q: not a sentence for its reader: %v, hint %q", c.sql, err, f.Hint)
		}
	}
}

func TestRefusalNamesTheStatement(t *testing.T) {
	var v Verdict
	Check([]byte("select 1; explain select 1"), &v)
	err := v.Err().(*fault.Error)
	if got := err.Kind.SQLState() + " " + err.Message; got != "0A000 EXPLAIN is not served through this gate" {
		t.Error(got)
	}
	if v.Refusal.Pos != 10 {
		t.Errorf("position %d", v.Refusal.Pos)
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"select 1", "select"}, {"((select 1)) union select 2", "select"}, {"values (1)", "values"}, {"table t", "table"}, {"with a as (select 1) table a", "with"},
		{"", "empty"}, {"-- x", "empty"}, {";;", "empty"}, {"select 1;", "select"}, {"begin;;select 1;show all;end", "begin select show commit"},
		{"copy (values (1)) to stdout", "copy out(values)"}, {"declare c cursor for with a as (select 1) select 1", "declare(with) c"}, {"prepare \"P\" as table t", "prepare(table) P"},
		{"execute Pq(1)", "execute pq"}, {"deallocate prepare \"a\"\"b\"", `deallocate a"b`}, {"deallocate prepare", "deallocate prepare"}, {"deallocate ALL", "deallocate all"},
		{"fetch 3 from c", "fetch c"}, {"move c", "move c"}, {"close c", "close c"}, {"savepoint s", "savepoint s"}, {"release savepoint s", "release s"}, {"rollback to s", "rollback to s"}, {"rollback", "rollback"},
		{"set local DateStyle to iso", "set datestyle"}, {"set time zone 'UTC'", "set"}, {"reset all", "reset all"}, {"discard ALL", "discard all"}, {"unlisten *", "unlisten"},
	} {
		var v Verdict
		sql := []byte(c.sql)
		if !Check(sql, &v) {
			t.Errorf("%q: %v", c.sql, v.Err())
			continue
		}
		var got []string
		for _, s := range v.Statements {
			w := s.Kind.String()
			if s.Inner != None {
				w += fmt.Sprintf("(%s)", s.Inner)
			}
			if s.NameEnd > 0 {
				w += " " + nameOf(s, sql)
			}
			got = append(got, w)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: got %q, want %q", c.sql, strings.Join(got, " "), c.want)
		}
	}
}

// nameOf is a statement's name as PostgreSQL understands it.
func nameOf(s Statement, sql []byte) string {
	raw := string(sql[s.NameStart:s.NameEnd])
	if strings.HasPrefix(raw, `"`) {
		return strings.ReplaceAll(raw[1:len(raw)-1], `""`, `"`)
	}
	return strings.ToLower(raw)
}

func TestSpans(t *testing.T) {
	sql := " select 1 ; /* x */ begin-- y\n;\n ;show all"
	var v Verdict
	if !Check([]byte(sql), &v) {
		t.Fatal(v.Err())
	}
	var got []string
	for _, s := range v.Statements {
		got = append(got, sql[s.Start:s.End])
	}
	if want := "select 1|begin|show all"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
}

func TestApplicationNameIsPinned(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"SET application_name = 'DBeaver - O''Brien'; select 1", "RESET application_name                     ; select 1"},
		{"set application_name=x", "RESET application_name"},
		{"set local \"Application_Name\" to a, 'b'", "RESET application_name                "},
		{"set datestyle to iso", "set datestyle to iso"},
	} {
		var v Verdict
		sql := []byte(c.sql)
		if !Check(sql, &v) {
			t.Fatalf("%q: %v", c.sql, v.Err())
		}
		for _, s := range v.Statements {
			s.Pin(sql)
		}
		if string(sql) != c.want {
			t.Errorf("%q becomes\n%q, want\n%q", c.sql, sql, c.want)
		}
	}
}

func TestCheckSetting(t *testing.T) {
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"DateStyle", "ISO", true}, {"application_name", "x", true}, {"client_encoding", "UTF8", true}, {"client_encoding", "SJIS", false}, {"client_encoding", "'utf-8'", false},
		{"standard_conforming_strings", "on", true}, {"standard_conforming_strings", "off", false}, {"client_min_messages", "debug1", false},
		{"search_path", "x", false}, {"role", "x", false}, {"session_authorization", "x", false}, {"my.thing", "x", false}, {"", "", false}, {strings.Repeat("x", 100), "x", false},
		{"client_encoding", strings.Repeat("u", 100), false},
	} {
		err := CheckSetting(c.name, c.value)
		if (err == nil) != c.ok {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
}

func TestChecksAllocateNothing(t *testing.T) {
	texts := [][]byte{[]byte(benchStatement), []byte("set client_encoding to 'utf8'"), []byte("begin; select 'é'; commit"), []byte("explain select 1")}
	var v Verdict
	label := make([]byte, 0, 4096)
	for _, sql := range texts {
		Check(sql, &v)
		if n := testing.AllocsPerRun(100, func() {
			Check(sql, &v)
			label = Fingerprint(label[:0], sql)
		}); n != 0 {
			t.Errorf("%q: %v allocations", sql, n)
		}
	}
}

// benchStatement has 100 bytes.
const benchStatement = "SELECT id, handle, created_at FROM users WHERE id = 123456 AND country = 'IE' ORDER BY id LIMIT 1000"

func BenchmarkCheck(b *testing.B) {
	sql := []byte(benchStatement)
	b.SetBytes(int64(len(sql)))
	b.ReportAllocs()
	var v Verdict
	for b.Loop() {
		if !Check(sql, &v) {
			b.Fatal(v.Err())
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	sql := []byte(benchStatement)
	b.SetBytes(int64(len(sql)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = Fingerprint(dst[:0], sql)
	}
}
