// Package sqllex reads the SQL text that a client of the data gate sends and
// says three things about it: where its statements begin and end, which kind
// each one is and whether the gate serves that kind, and what the text looks
// like with every literal taken out (its fingerprint).
//
// It is not a SQL parser and does not decide who may read what: PostgreSQL's
// own privileges on the lens do. It is the boundary for the few things that
// PostgreSQL cannot revoke from a role, EXPLAIN, LISTEN and NOTIFY, ALTER ROLE
// of oneself and SET among them. So it has an allowlist of statement kinds
// (docs/statements.md) and refuses what it does not know.
//
// # Why some harmless texts are refused
//
// How PostgreSQL splits a text into tokens depends on two settings that a
// session can change, standard_conforming_strings and client_encoding, and a
// client that pipelines can change them between two texts before anybody
// hears of it. A verdict is therefore only given to a text whose tokens are
// the same under every value of both settings; any other text is refused with
// a way out. With 0x80–0xFF called "high":
//
//   - In PostgreSQL's client encodings the byte after a high byte may belong
//     to the same character when it is high, a digit, or 0x40–0x7E. The bytes
//     that end literals, comments, names and statements, ' " $ ; * / - and
//     white space, are never swallowed, but a backslash is, and so is an
//     operator such as @ or | that kept a name apart from what follows it.
//   - In SHIFT_JIS_2004 the bytes 81 5F become a backslash and 81 B0 a tilde;
//     no other high bytes of any client encoding become ASCII.
//   - With standard_conforming_strings off a backslash in '…' is an escape.
//
// The rules that follow from this stand beside the code in literal.go and
// token.go. The database itself is assumed to be UTF8.
//
// # Use
//
// One Verdict is reused for all texts of a session; Check allocates nothing
// once Verdict.Statements has grown:
//
//	if !sqllex.Check(sql, &v) {
//		return v.Err()
//	}
//	for _, s := range v.Statements {
//		s.Pin(sql)
//		label = sqllex.Fingerprint(label[:0], sql[s.Start:s.End])
//	}
//
// A check costs less than the look-up of a cached verdict would (the key would
// be the fingerprint), so there is no cache and no verdict can be stale.
package sqllex
