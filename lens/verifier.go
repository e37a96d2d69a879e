package lens

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// minSecret is the length of a secret, in bytes, that needs no stretching.
const minSecret = 24

// Verifier gives the SCRAM-SHA-256 verifier (RFC 5803, as PostgreSQL stores it)
// of a secret made by a machine, with a fresh salt. It uses one iteration:
// stretching protects passwords that can be guessed, and costs the server some
// four milliseconds for each role it makes (it checks that the password is not
// empty by deriving it). A secret shorter than 24 bytes is refused, so that no
// person's password is stored like that.
func Verifier(secret string) (string, error) {
	if len(secret) < minSecret {
		return "", errors.New("a secret for a role must have at least 24 random characters")
	}
	var salt [16]byte
	rand.Read(salt[:]) // never fails
	mac := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	salted := mac([]byte(secret), string(salt[:])+"\x00\x00\x00\x01") // Hi() of RFC 5802 with i = 1
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$1:%s$%s:%s", b64(salt[:]), b64(stored[:]), b64(mac(salted, "Server Key"))), nil
}
