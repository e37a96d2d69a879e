package sqllex

// Kind is what a statement is. The zero value is no statement.
type Kind uint8

// The kinds that are served. Everything else is refused; see Refusal.
const (
	None       Kind = iota
	Empty           // a text without any statement, as drivers send to ping
	Select          // SELECT …, also in parentheses
	Values          // VALUES …
	Table           // TABLE name
	With            // WITH … SELECT, every part of it a query
	Show            // SHOW name
	Set             // SET of an allowed parameter
	Reset           // RESET of one, or RESET ALL
	Begin           // BEGIN, START TRANSACTION
	Commit          // COMMIT, END
	Rollback        // ROLLBACK, ABORT
	RollbackTo      // ROLLBACK TO SAVEPOINT name
	Savepoint       // SAVEPOINT name
	Release         // RELEASE SAVEPOINT name
	CopyOut         // COPY (query) TO STDOUT
	Declare         // DECLARE name CURSOR FOR query
	Fetch           // FETCH … name
	Move            // MOVE … name
	Close           // CLOSE name
	Prepare         // PREPARE name AS query
	Execute         // EXECUTE name
	Deallocate      // DEALLOCATE name
	Discard         // DISCARD ALL, PLANS, SEQUENCES, TEMP
	Unlisten        // UNLISTEN *, which pools send to reset a session
	kinds
)

var kindNames = [kinds]string{
	None: "none", Empty: "empty", Select: "select", Values: "values", Table: "table", With: "with",
	Show: "show", Set: "set", Reset: "reset", Begin: "begin", Commit: "commit", Rollback: "rollback",
	RollbackTo: "rollback to", Savepoint: "savepoint", Release: "release", CopyOut: "copy out",
	Declare: "declare", Fetch: "fetch", Move: "move", Close: "close", Prepare: "prepare",
	Execute: "execute", Deallocate: "deallocate", Discard: "discard", Unlisten: "unlisten",
}

// String gives the kind in lower-case words, as it is recorded.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return kindNames[None]
}

// Statement is one statement of a text. Offsets are bytes in the text given to
// Check; ends are exclusive.
type Statement struct {
	Kind  Kind
	Inner Kind // the query inside Prepare, Declare and CopyOut

	// Start and End enclose the statement from its first token to its last,
	// without the semicolon.
	Start, End int

	// NameStart and NameEnd enclose the name a statement is about, as written:
	// of the prepared statement, the cursor, the savepoint or the parameter,
	// or what is discarded. Both are zero when there is none.
	NameStart, NameEnd int

	// Pinned says that the statement sets application_name, which the gate
	// pins: call Pin before the text goes to the store.
	Pinned bool
}

// pin is not longer than any statement that sets application_name; the
// shortest is "SET application_name=x".
const pin = "RESET application_name"

// Pin overwrites a Pinned statement in sql with RESET application_name and
// blanks, so that neither the length of the message nor any offset changes.
// It leaves every other statement alone. Drivers set application_name in each
// session and cannot be refused; other sessions could read what they set.
func (s Statement) Pin(sql []byte) {
	if !s.Pinned || s.End-s.Start < len(pin) || s.End > len(sql) {
		return
	}
	n := copy(sql[s.Start:s.End], pin)
	for i := s.Start + n; i < s.End; i++ {
		sql[i] = ' '
	}
}
