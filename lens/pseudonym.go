package lens

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Pseudonyms of subjects: HMAC-SHA-256 (RFC 2104) under the grant's key over the
// kind of subject, a zero byte, and the key as PostgreSQL writes it as text. Two
// grants never share a pseudonym, and within one grant the same person keeps
// theirs across tables.
//
// As a text, the digest becomes 26 characters of the base32 alphabet in lower
// case, 130 bits: the low five bits of each of its first 26 bytes, of which 0 is
// 2, 1 to 26 are a to z, and 27 to 31 are 3 to 7. (RFC 4648 would group the bits
// across bytes, which costs PostgreSQL ten times the digest itself.) In a bigint
// column it becomes -1 minus its first 62 bits, which no sequence of keys hands
// out; in a uuid column its first 16 bytes.

// subjectType is the kind of subject that a dataset's keys name.
func subjectType(ds *catalog.Dataset) string { return ds.Name + "." + ds.Subject().Name }

// pseudonymType is the type of a column that may hold both keys and pseudonyms.
func pseudonymType(keyType string) string {
	if keyType == "int" {
		return "bigint"
	}
	return keyType
}

// pseudonym is the SQL of a pseudonym of x as bigint, uuid or text. As text it
// gives NULL for NULL; otherwise x must not be NULL. Of its parts only what
// depends on x is computed for each row, and the most of that is sha256().
func (c *compiler) pseudonym(x, typ string) string {
	c.pads = true
	padded := func(part string) string { // computed once for a query
		return "(SELECT " + part + " FROM trefoil.session e WHERE e.role = session_user)"
	}
	outer := padded("substr(e.pads, 65)")
	inner := padded(`substr(e.pads, 1, 64) || '\x` + hex.EncodeToString(append([]byte(subjectType(c.ds)), 0)) + "'::bytea")
	digest := "sha256(" + outer + " || sha256(" + inner + " || convert_to(" + x + "::text, 'UTF8')))"
	switch typ {
	case "bigint":
		return "-1 - (('x' || encode(substr(" + digest + ", 1, 8), 'hex'))::bit(64)::bigint & 4611686018427387903)"
	case "uuid":
		return "encode(substr(" + digest + ", 1, 16), 'hex')::uuid"
	}
	all := func(digits string) string { return "'x" + strings.Repeat(digits, 26) + "'::bit(208)" }
	// The bytes become ` a … z { | } ~ DEL; bit_send puts four bytes of length before them.
	text := "encode(substr(bit_send(('x' || encode(" + digest + ", 'hex'))::bit(208) & " + all("1f") + " | " + all("60") + "), 5), 'escape')"
	for i, from := range []string{"'`'", "'{'", "'|'", "'}'", "'~'", `E'\x7f'`} { // translate() costs three times as much
		text = "replace(" + text + ", " + from + ", '" + "234567"[i:i+1] + "')"
	}
	return text
}

// pads gives the key padded for the inner and for the outer hash (RFC 2104, with
// SHA-256's block of 64 bytes), one after the other.
func pads(key [32]byte) []byte {
	out := make([]byte, 128)
	copy(out, key[:])
	copy(out[64:], key[:])
	for i := range 64 {
		out[i] ^= 0x36
		out[64+i] ^= 0x5c
	}
	return out
}

// Pseudonym gives what the dataset's lenses show instead of a subject's key, as
// text: what the views compute, computed without a store. The pseudonymous lens
// shows texts, keyType "text"; the others, of subjects outside a case, values of
// Compiled.KeyType. subjectKey is written as PostgreSQL writes it.
func Pseudonym(ds *catalog.Dataset, keyType string, grantKey [32]byte, subjectKey string) string {
	return pseudonym(subjectType(ds), keyType, grantKey, subjectKey)
}

func pseudonym(subject, keyType string, grantKey [32]byte, subjectKey string) string {
	mac := hmac.New(sha256.New, grantKey[:])
	mac.Write(append([]byte(subject), 0))
	mac.Write([]byte(subjectKey))
	d := mac.Sum(nil)
	switch keyType {
	case "int":
		return strconv.FormatInt(-1-int64(binary.BigEndian.Uint64(d)&(1<<62-1)), 10)
	case "uuid":
		return hyphened(hex.EncodeToString(d[:16]))
	}
	for i := range d[:26] {
		d[i] = "2abcdefghijklmnopqrstuvwxyz34567"[d[i]&31]
	}
	return string(d[:26])
}

func hyphened(h string) string {
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// keyWords names the types of keys that not every text is.
var keyWords = map[string]string{"int": "integers", "uuid": "UUIDs"}

// Keys writes subjects' keys as PostgreSQL would write them back. The error is a
// fault of kind BadInput: one of them can be no key of the dataset.
func (c *Compiled) Keys(subjects []string) ([]string, error) {
	var keys []string
	for _, s := range subjects {
		k, err := canonical(c.KeyType, s)
		if err != nil {
			return nil, err.WithHint("ask again with keys that are %s, each behind a --subject of its own: trefoil access request %s", keyWords[c.KeyType], c.Dataset)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// canonical writes a subject's key as PostgreSQL would write it back.
func canonical(keyType, key string) (string, *fault.Error) {
	switch keyType {
	case "int":
		if n, err := strconv.ParseInt(strings.TrimSpace(key), 10, 64); err == nil {
			return strconv.FormatInt(n, 10), nil
		}
	case "uuid":
		plain := strings.NewReplacer("-", "", "{", "", "}", "").Replace(strings.ToLower(strings.TrimSpace(key)))
		if b, err := hex.DecodeString(plain); err == nil && len(b) == 16 {
			return hyphened(plain), nil
		}
	default:
		return key, nil
	}
	return "", fault.New(fault.BadInput, "a subject of the case is not a key of the dataset, which are %s", keyWords[keyType]) // without the key: logs get this
}
