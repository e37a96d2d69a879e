//go:build cgo

package sqllex

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// oracle parses a text with PostgreSQL's own parser and gives the kinds of its
// statements, or an error when PostgreSQL would refuse the whole text. A kind
// that Check must never have permitted comes back as a word in lacking.
func oracle(sql string) (kinds []Kind, lacking string, err error) {
	tree, err := pgquery.ParseToJSON(sql)
	if err != nil {
		return nil, "", err
	}
	var parsed struct {
		Stmts []struct{ Stmt map[string]json.RawMessage }
	}
	if err := json.Unmarshal([]byte(tree), &parsed); err != nil {
		return nil, "", err
	}
	for _, key := range []string{"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "intoClause", "lockingClause", "ExplainStmt"} {
		if strings.Contains(tree, `"`+key+`":`) {
			lacking = key
		}
	}
	for _, s := range parsed.Stmts {
		for name, body := range s.Stmt {
			k, why := oracleKind(name, body)
			kinds = append(kinds, k)
			if why != "" {
				lacking = why
			}
		}
	}
	return kinds, lacking, nil
}

func oracleKind(name string, body json.RawMessage) (Kind, string) {
	var b struct {
		Kind, Name, Filename, Conditionname string
		IsFrom                              bool `json:"is_from"`
		IsProgram                           bool `json:"is_program"`
		Ismove                              bool
		Query                               json.RawMessage
		Args                                json.RawMessage
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return None, err.Error()
	}
	switch name {
	case "SelectStmt":
		return Select, ""
	case "VariableShowStmt":
		return Show, ""
	case "VariableSetStmt":
		return oracleSet(b.Kind, b.Name, string(b.Args))
	case "TransactionStmt":
		k, ok := map[string]Kind{
			"TRANS_STMT_BEGIN": Begin, "TRANS_STMT_START": Begin, "TRANS_STMT_COMMIT": Commit, "TRANS_STMT_ROLLBACK": Rollback,
			"TRANS_STMT_SAVEPOINT": Savepoint, "TRANS_STMT_RELEASE": Release, "TRANS_STMT_ROLLBACK_TO": RollbackTo,
		}[b.Kind]
		if !ok {
			return None, b.Kind
		}
		return k, ""
	case "CopyStmt":
		if b.IsFrom || b.IsProgram || b.Filename != "" || b.Query == nil {
			return None, "COPY of another form"
		}
		return CopyOut, ""
	case "FetchStmt":
		if b.Ismove {
			return Move, ""
		}
		return Fetch, ""
	case "UnlistenStmt":
		if b.Conditionname != "" {
			return None, "UNLISTEN name"
		}
		return Unlisten, ""
	}
	k, ok := map[string]Kind{
		"DeclareCursorStmt": Declare, "ClosePortalStmt": Close, "PrepareStmt": Prepare,
		"ExecuteStmt": Execute, "DeallocateStmt": Deallocate, "DiscardStmt": Discard,
	}[name]
	if !ok {
		return None, name
	}
	return k, ""
}

func oracleSet(kind, name, args string) (Kind, string) {
	lower := strings.ToLower(name)
	switch kind {
	case "VAR_RESET", "VAR_RESET_ALL":
		if lower == "role" || lower == "session_authorization" {
			return Reset, "RESET " + name
		}
		return Reset, ""
	case "VAR_SET_MULTI":
		if name == "TRANSACTION" || name == "SESSION CHARACTERISTICS" {
			return Set, ""
		}
		return Set, "SET " + name
	case "VAR_SET_VALUE", "VAR_SET_DEFAULT":
		r, known := lookup([]byte(lower))
		if known == "" || r == never {
			return Set, "SET " + name
		}
		value := strings.ToLower(args)
		if kind == "VAR_SET_VALUE" && (lower == "client_encoding" && !strings.Contains(value, `"utf8"`) &&
			!strings.Contains(value, `"utf-8"`) && !strings.Contains(value, `"unicode"`) ||
			lower == "client_min_messages" && (strings.Contains(value, "debug") || strings.Contains(value, `"log"`))) {
			return Set, "SET " + name + " " + args
		}
		return Set, ""
	default:
		return Set, kind
	}
}

// sameKind folds the kinds that are one to PostgreSQL's parser.
func sameKind(k Kind) Kind {
	switch k {
	case Values, Table, With:
		return Select
	default:
		return k
	}
}

// views gives a text as servers in other states read it; choice picks one of
// the ways in which an encoding may join bytes.
func views(sql string, choice uint64) map[string]string {
	other := reencode(sql, choice)
	v := map[string]string{"utf8": sql, "other encoding": other}
	if s, ok := asNonconforming(sql); ok {
		v["utf8, not conforming"] = s
	}
	if s, ok := asNonconforming(other); ok {
		v["other encoding, not conforming"] = s
	}
	return v
}

// mustAgree fails when the text is permitted but PostgreSQL, in some state of
// its settings, would run other statements than the verdict says.
func mustAgree(t *testing.T, sql []byte, choice uint64) {
	t.Helper()
	var v Verdict
	permitted := Check(sql, &v)
	if len(Fingerprint(nil, sql)) > 3*len(sql)+3 {
		t.Fatalf("%q: fingerprint longer than the text allows", sql)
	}
	if !permitted {
		if v.Err() == nil {
			t.Fatalf("%q: refused without an error", sql)
		}
		return
	}
	for round := range uint64(12) {
		if round > 0 && isASCII(sql) {
			break // no encoding joins anything
		}
		viewsAgree(t, sql, &v, choice+round)
	}
	semicolonsAgree(t, string(sql))
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func viewsAgree(t *testing.T, sql []byte, v *Verdict, choice uint64) {
	t.Helper()
	for name, view := range views(string(sql), choice) {
		kinds, lacking, err := oracle(view)
		if err != nil {
			continue // PostgreSQL runs none of it
		}
		if lacking != "" {
			t.Fatalf("%q permitted, but holds %s when read as %s: %q", sql, lacking, name, view)
		}
		var ours []Kind
		for _, s := range v.Statements {
			if s.Kind != Empty {
				ours = append(ours, sameKind(s.Kind))
			}
		}
		if fmt.Sprint(ours) != fmt.Sprint(kinds) {
			t.Fatalf("%q is %v to us and %v to PostgreSQL when read as %s: %q", sql, ours, kinds, name, view)
		}
	}
}

// semicolonsAgree compares where statements end, also in texts that do not
// parse, and checks the reference tokeniser while at it.
func semicolonsAgree(t *testing.T, sql string) {
	t.Helper()
	scanned, err := pgquery.Scan(sql)
	if err != nil {
		return
	}
	var theirs, ours, ref []int
	for _, tok := range scanned.Tokens {
		if tok.Token == pgquery.Token_ASCII_59 {
			theirs = append(theirs, int(tok.Start))
		}
	}
	s := scanner{src: []byte(sql)}
	for tok := s.next(); tok != tEnd && tok != tBad; tok = s.next() {
		if tok == tSemi {
			ours = append(ours, s.start)
		}
	}
	for _, tok := range reference(sql, true) {
		if tok.c == ';' {
			ref = append(ref, tok.start)
		}
	}
	if fmt.Sprint(ours) != fmt.Sprint(theirs) || fmt.Sprint(ref) != fmt.Sprint(theirs) {
		t.Fatalf("%q: semicolons at %v, by the reference %v, to PostgreSQL %v", sql, ours, ref, theirs)
	}
}

// TestAttacksAreReal keeps the list of attacks, and the oracle, honest: some
// state of a server finds an EXPLAIN in each of them.
func TestAttacksAreReal(t *testing.T) {
	for _, a := range attacks {
		found := false
		for choice := uint64(0); choice < 200 && !found; choice++ {
			for _, view := range views(a.sql, choice) {
				_, lacking, err := oracle(view)
				found = found || err == nil && lacking == "ExplainStmt"
			}
		}
		if !found {
			t.Errorf("%q is not an attack", a.sql)
		}
	}
}

// FuzzSplit holds the verdict against PostgreSQL's parser for arbitrary bytes.
func FuzzSplit(f *testing.F) {
	for _, s := range everyStatement(f) {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, sql []byte, choice uint64) {
		if len(sql) < 4096 {
			mustAgree(t, sql, choice)
		}
	})
}

// FuzzSoup does the same for texts made of the pieces that tokens and verdicts
// hang on, which random bytes seldom form.
func FuzzSoup(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, choice uint64) {
		if len(data) < 64 {
			mustAgree(t, soup(data), choice)
		}
	})
}

func TestSoup(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	permitted := 0
	for range 30000 {
		data := make([]byte, 2+rng.IntN(14))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		sql := soup(data)
		mustAgree(t, sql, rng.Uint64())
		var v Verdict
		if Check(sql, &v) {
			permitted++
		}
	}
	if permitted < 500 {
		t.Errorf("only %d soups were permitted: the test says little", permitted)
	}
}

// soup joins one piece for each byte; the first byte picks how it begins.
func soup(data []byte) []byte {
	begin := []string{"select ", "", "select 'a' ", "with a as (select 1) ", "copy (select ", "prepare p as select ", "declare c cursor for select ", "set "}
	pieces := []string{
		"'", "'", "'", "''", "\\", "\\'", "E'", "e'", "U&'", "b'", "x'", "N'", "\"", "U&\"", "$$", "$a$", "$1", "$",
		"--", "/*", "*/", "\n", "\r", " ", " ", "\t", ";", ";", ";", "(", ")", ",", ".", "@", "|", "~", "[", "]", "^", "`", "{", "_", "-", "*", "=", ":",
		"é", "ば", "あ", "Á", "Á_", "ば@", "é|", "é_", "\u0081", "1", "2.", "1e5", "0x1", "a", "e", "u", "as", "AS", "into", "for", "+--", "*/*", "/*/", "update", "share",
		"explain ", "select ", "; explain ", "; explain select 1 ", " -- ", "insert into t values (1)", "delete from t", "to stdout", "to", "stdout", "from t", "where",
		"cursor", "union", "table t", "values (1)", "listen x", "set ", "role", "x", "client_encoding", "'SJIS'", "'utf8'", "datestyle", "default", "all", "begin", "commit", "end", "reset",
	}
	var b []byte
	for i, c := range data {
		if i == 0 {
			b = append(b, begin[int(c)%len(begin)]...)
		} else {
			b = append(b, pieces[int(c)%len(pieces)]...)
		}
	}
	return b
}
