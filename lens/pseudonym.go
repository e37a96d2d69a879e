package lens

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// Pseudonyms of subjects outside a grant: HMAC-SHA-256 (RFC 2104) under the
// grant's key over the kind of subject, a zero byte, and the key as PostgreSQL
// writes it as text. Two grants never share a pseudonym, and within one grant
// the same person keeps theirs across tables.
//
// The digest becomes, in a bigint column, -1 minus its first 62 bits, which no
// sequence of keys hands out; in a uuid column its first 16 bytes; in a text
// column 26 characters of base32, 130 bits, in lower case.

// alphabet of RFC 4648 base32, in lower case.
const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

// subjectType is the kind of subject that a dataset's keys name.
func subjectType(ds *catalog.Dataset) string { return ds.Name + "." + ds.Subject().Name }

// pseudonymType is the type of a column that may hold pseudonyms.
func pseudonymType(keyType string) string {
	if keyType == "int" {
		return "bigint"
	}
	return keyType
}

// pseudonym is the SQL of a pseudonym of x, which must not be NULL.
func (c *compiler) pseudonym(x string) string {
	pad := func(which string) string {
		return "(SELECT d." + which + " FROM trefoil.pad d WHERE d.grant_id = " + grant + ")"
	}
	message := `'\x` + hex.EncodeToString(append([]byte(subjectType(c.ds)), 0)) + `'::bytea || convert_to(` + x + `::text, 'UTF8')`
	digest := "sha256(" + pad("opad") + " || sha256(" + pad("ipad") + " || " + message + "))"
	switch c.keyType {
	case "int":
		return "-1 - (('x' || encode(substr(" + digest + ", 1, 8), 'hex'))::bit(64)::bigint & 4611686018427387903)"
	case "uuid":
		return "encode(substr(" + digest + ", 1, 16), 'hex')::uuid"
	}
	return "(SELECT string_agg(substr('" + alphabet + "', 1 + substring(b.v FROM i * 5 + 1 FOR 5)::bit(5)::int, 1), '' ORDER BY i)" +
		" FROM (SELECT ('x' || encode(" + digest + ", 'hex'))::bit(256)) b(v), generate_series(0, 25) i)"
}

// pads gives the padded keys of RFC 2104 for SHA-256's block of 64 bytes.
func pads(key [32]byte) (ipad, opad []byte) {
	ipad, opad = make([]byte, 64), make([]byte, 64)
	copy(ipad, key[:])
	copy(opad, key[:])
	for i := range ipad {
		ipad[i] ^= 0x36
		opad[i] ^= 0x5c
	}
	return ipad, opad
}

// Pseudonym gives what a case lens of the dataset shows for a subject outside
// the grant, as text: what the views compute, computed without a store. keyType
// is Compiled.KeyType.
func Pseudonym(ds *catalog.Dataset, keyType string, grantKey [32]byte, subjectKey string) string {
	mac := hmac.New(sha256.New, grantKey[:])
	mac.Write(append([]byte(subjectType(ds)), 0))
	mac.Write([]byte(subjectKey))
	d := mac.Sum(nil)
	switch keyType {
	case "int":
		return itoa(-1 - int64(binary.BigEndian.Uint64(d)&(1<<62-1)))
	case "uuid":
		h := hex.EncodeToString(d[:16])
		return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	}
	return base32.NewEncoding(alphabet).EncodeToString(d)[:26]
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
