package pggate

import "bytes"

// What an error or a notice of the store may say.
//
// A session sees views; expressions of its own statement are evaluated over what
// the views give, so the value a failed cast or division quotes (class 22) is a
// value the session may see, and people need it. Three kinds of text are not made
// from the session's own expressions and are withheld:
//
//   - W (where), q and p (internal query and its position), always: they come from
//     functions, triggers and constraints beneath the view, "while locking tuple
//     (0,1)", "COPY t, line 3: …".
//   - Classes 23 and 44 (integrity constraint, WITH CHECK OPTION), whole: DETAIL
//     quotes the key or the failing row of the base table, and the message names
//     the constraint. The SQLSTATE stays.
//   - D of class XX and 58 (internal, system): dumps of whatever was at hand.
//
// All other fields (severity, SQLSTATE, message, detail, hint, position, names of
// relation and column, and PostgreSQL's own source location) pass.
//
// One thing is added: whoever names public.users is told "permission denied for
// schema public" and no more, and the way on is another name.

// The SQLSTATE of insufficient_privilege, and the hints PostgreSQL does not give.
const (
	statePrivilege = "42501"
	hintPrivilege  = `names are looked up in your lens: leave the schema out (users, not public.users); \dv in psql, or information_schema.views, lists what there is`
	hintFunction   = `the gate's stores run this function for nobody; docs/statements.md says which, and what stands in their place`
)

// redact appends the message (ErrorResponse or NoticeResponse) to b without what is
// withheld, and with the hint above. ok is false for a body that is no list of fields.
func redact(b []byte, kind byte, body []byte) (out []byte, ok bool) {
	state, ok := field(body, 'C')
	if !ok {
		return b, false
	}
	constraint := bytes.HasPrefix(state, []byte("23")) || bytes.HasPrefix(state, []byte("44"))
	hint := string(state) == statePrivilege
	function := false
	system := bytes.HasPrefix(state, []byte("XX")) || bytes.HasPrefix(state, []byte("58"))
	b, at := begin(b, kind)
	for len(body) > 1 {
		code := body[0]
		text, rest, cutOK := cut(body[1:])
		if !cutOK {
			return b[:at], false
		}
		body = rest
		switch code {
		case 'W', 'q', 'p':
			continue
		case 'D':
			if constraint || system {
				continue
			}
		case 'H', 's', 't', 'c', 'd', 'n':
			if constraint {
				continue
			}
			hint = hint && code != 'H'
		case 'M':
			function = bytes.HasPrefix(text, []byte("permission denied for function"))
			if constraint {
				text = []byte("a constraint of the store was violated; its details are withheld")
			}
		}
		b = append(append(append(b, code), text...), 0)
	}
	if hint {
		what := hintPrivilege
		if function {
			what = hintFunction
		}
		b = appendField(b, 'H', what)
	}
	return finish(append(b, 0), at), true
}

// withheld reports whether redact would change the body; most errors pass as they are.
func withheld(body []byte) bool {
	state, ok := field(body, 'C')
	if !ok || len(state) < 2 {
		return true
	}
	if string(state) == statePrivilege {
		return true
	}
	switch string(state[:2]) {
	case "23", "44", "XX", "58":
		return true
	}
	for _, code := range []byte("Wqp") {
		if _, ok := field(body, code); ok {
			return true
		}
	}
	return false
}

// field finds one field of an ErrorResponse's body.
func field(body []byte, want byte) ([]byte, bool) {
	for len(body) > 1 {
		code := body[0]
		text, rest, ok := cut(body[1:])
		if !ok {
			return nil, false
		}
		if code == want {
			return text, true
		}
		body = rest
	}
	return nil, false
}
