package sqllex

import "github.com/trefoil-dev/trefoil/internal/fault"

// Reason is why a text is refused.
type Reason uint8

// The reasons. Up to TooManyStatements they concern the text, after it one
// statement.
const (
	Permitted Reason = iota

	NUL
	InvalidUTF8
	Control         // a control character outside literals
	Unterminated    // a literal, name or comment without an end
	BackslashQuote  // a backslash directly before a quote in '…'
	EscapeAfterHigh // in E'…', a backslash directly after a byte ≥ 0x80, or 81 5F
	Shifted         // E'…' or $$ held apart from a name by an operator alone
	SplitName       // 81 B0 inside an unquoted name, before ASCII
	Dollar          // a $ that begins neither $1 nor $tag$
	Number          // a number that runs into a word
	Backslash       // a backslash outside literals
	TooManyStatements

	UnknownStatement
	NotServed // a kind we know and do not serve
	Malformed // not the form of statement its first word announces
	Into
	Modifying
	Locking
	CopyForm
	TwoPhase
	Snapshot
	SetForm
	SettingRefused
	ValueRefused
	reasons
)

// Refusal says why a text is refused and where. Word is the statement or the
// parameter, one of our own constants and never text of the client's; it may
// be empty. Pos is a byte offset.
type Refusal struct {
	Reason Reason
	Word   string
	Pos    int
}

const parameter = "send the value as a parameter ($1) instead"

// sentences hold message and hint of each reason; %s is the word.
var sentences = [reasons]struct{ message, hint string }{
	NUL:               {"the SQL text holds a NUL byte", "remove it"},
	InvalidUTF8:       {"the SQL text is not valid UTF-8", "this gate speaks UTF8 alone: convert the text, and leave client_encoding at UTF8"},
	Control:           {"the SQL text holds a control character outside literals", "remove it; tab, newline, return and form feed are fine"},
	Unterminated:      {"the SQL text ends inside a literal, a quoted name or a comment", "close it"},
	BackslashQuote:    {"a literal has a backslash directly before a quote, where settings decide whether it ends", parameter + ", or write E'…\\\\' with the backslash doubled"},
	EscapeAfterHigh:   {"an E'…' literal has a backslash escape directly after a character outside ASCII", parameter},
	Shifted:           {"a name outside ASCII and an operator stand directly before E'…' or $$", "put a space between them"},
	SplitName:         {"an unquoted name mixes characters in a way that some client encodings read differently", `put the name into double quotes`},
	Dollar:            {"a $ begins neither a parameter ($1) nor a dollar quote with an ASCII tag ($tag$)", "quote names that contain a $"},
	Number:            {"a number is directly followed by a letter, an underscore or a $", "put a space between them"},
	Backslash:         {"a backslash stands outside literals", "psql's own commands go on a line of their own"},
	TooManyStatements: {"the text holds more than 1000 statements", "send it in parts"},

	UnknownStatement: {"this statement does not begin with a word the gate serves", "SELECT, VALUES, TABLE, WITH, SHOW, SET, COPY (query) TO STDOUT, cursors, prepared statements and transactions are served"},
	NotServed:        {"%s is not served through this gate", "the gate serves queries, not changes, plans or notifications; docs/statements.md lists what it serves"},
	Malformed:        {"the %s statement has a form the gate does not serve", "docs/statements.md lists the forms"},
	Into:             {"SELECT INTO is not served through this gate", `lenses are read-only; a column named into needs double quotes`},
	Modifying:        {"%s inside a query is not served through this gate", `lenses are read-only; a column of that name needs double quotes`},
	Locking:          {"FOR UPDATE and FOR SHARE are not served through this gate", "lenses are read-only: leave the clause out"},
	CopyForm:         {"of COPY, only COPY (query) TO STDOUT is served through this gate", "write COPY (SELECT … FROM view) TO STDOUT; in psql, \\copy (SELECT …) TO 'file'"},
	TwoPhase:         {"two-phase transactions are not served through this gate", "use COMMIT"},
	Snapshot:         {"SET TRANSACTION SNAPSHOT is not served through this gate", "use ISOLATION LEVEL REPEATABLE READ in one session"},
	SetForm:          {"this form of SET is not served through this gate", "the session is its person's own and changes neither role nor authorization"},
	SettingRefused:   {"the parameter %s cannot be set through this gate", "docs/statements.md lists the parameters that can, and why"},
	ValueRefused:     {"the parameter %s cannot be set to this value through this gate", "docs/statements.md lists the values it may take"},
}

// unnamed stands for the word of a Malformed or SettingRefused without one.
var unnamed = [reasons]struct{ message string }{
	Malformed:      {"this statement has a form the gate does not serve"},
	SettingRefused: {"this parameter cannot be set through this gate"},
}

// Err gives the refusal as an error for the client, SQLSTATE 0A000, or 54000
// for too many statements, and nil for a permitted text.
func (v *Verdict) Err() error {
	if v.Refusal.Reason == Permitted {
		return nil
	}
	return v.Refusal.fault()
}

func (r Refusal) fault() *fault.Error {
	kind := fault.Statement
	if r.Reason == TooManyStatements {
		kind = fault.TooLarge
	}
	s := sentences[r.Reason]
	var err *fault.Error
	switch {
	case r.Word != "":
		err = fault.New(kind, s.message, r.Word)
	case unnamed[r.Reason].message != "":
		err = fault.New(kind, "%s", unnamed[r.Reason].message)
	default:
		err = fault.New(kind, "%s", s.message)
	}
	err.Hint = s.hint
	return err
}

// refusedWord gives the name of a statement that we know and do not serve, from
// its first word in lower case, or "".
func refusedWord(first []byte) string {
	for _, w := range refusedWords {
		if equalFold(first, w.first) {
			return w.name
		}
	}
	return ""
}

var refusedWords = [...]struct{ first, name string }{
	{"alter", "ALTER"}, {"analyse", "ANALYZE"}, {"analyze", "ANALYZE"}, {"call", "CALL"}, {"checkpoint", "CHECKPOINT"},
	{"cluster", "CLUSTER"}, {"comment", "COMMENT"}, {"create", "CREATE"}, {"delete", "DELETE"}, {"do", "DO"},
	{"drop", "DROP"}, {"execute", "EXECUTE"}, {"explain", "EXPLAIN"}, {"grant", "GRANT"}, {"import", "IMPORT"},
	{"insert", "INSERT"}, {"listen", "LISTEN"}, {"load", "LOAD"}, {"lock", "LOCK"}, {"merge", "MERGE"},
	{"notify", "NOTIFY"}, {"reassign", "REASSIGN"}, {"refresh", "REFRESH"}, {"reindex", "REINDEX"}, {"repack", "REPACK"},
	{"revoke", "REVOKE"}, {"security", "SECURITY LABEL"}, {"truncate", "TRUNCATE"}, {"update", "UPDATE"}, {"vacuum", "VACUUM"},
}
