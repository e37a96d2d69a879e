package record

import (
	"fmt"
	"strings"
)

// idAlphabet is RFC 4648 base32 in lower case.
const idAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

// ID shows an object by the sequence of its first entry: a prefix letter, a
// hyphen and base32, at least four characters ("g-aabk"). 'r' is a request, 'g'
// a grant, 's' a session, 'e' any entry. An id names; it is never a secret.
func ID(prefix byte, seq uint64) string {
	var b [13]byte
	i := len(b)
	for seq > 0 || i > len(b)-4 {
		i--
		b[i] = idAlphabet[seq&31]
		seq >>= 5
	}
	return string(prefix) + "-" + string(b[i:])
}

// ParseID reverses ID. The error says what was expected.
func ParseID(prefix byte, s string) (seq uint64, err error) {
	body, ok := strings.CutPrefix(s, string(prefix)+"-")
	if !ok || len(body) < 4 || len(body) > 13 || len(body) > 4 && body[0] == 'a' || len(body) == 13 && strings.IndexByte(idAlphabet, body[0]) > 15 {
		return 0, fmt.Errorf("%q is not an id of the form %c-aaaa", s, prefix)
	}
	for _, c := range []byte(body) {
		d := strings.IndexByte(idAlphabet, c)
		if d < 0 {
			return 0, fmt.Errorf("%q is not an id of the form %c-aaaa", s, prefix)
		}
		seq = seq<<5 | uint64(d)
	}
	return seq, nil
}
