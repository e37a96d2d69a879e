package gate

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/trefoil-dev/trefoil/gate/pggate"
)

// seedEpoch counts the gate seeds there have been; a new seed changes every secret.
const seedEpoch = 1

// iterations is what RFC 7677 asks for at least. A secret is 256 random bits and
// needs no stretching; drivers refuse less.
const iterations = 4096

// Seed is the gate's root secret. Its thief can compute every grant's password
// and pseudonym key, but sign nothing.
type Seed [32]byte

func (s Seed) mac(label string, data ...[]byte) []byte {
	m := hmac.New(sha256.New, s[:])
	m.Write([]byte(label))
	for _, d := range data {
		m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(d))))
		m.Write(d)
	}
	return m.Sum(nil)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Secret is the password of a grant: 52 characters of base32.
func (s Seed) Secret(grant uint64) string {
	sum := s.mac("scram/v1", number(seedEpoch), number(grant))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum))
}

// Pad is a grant's pseudonym key.
func (s Seed) Pad(grant uint64) (key [32]byte) {
	copy(key[:], s.mac("pseudonym/v1", number(seedEpoch), number(grant)))
	return key
}

// salt is the same for a login and grant as sent, whether or not they exist.
func (s Seed) salt(login, grant string) []byte {
	return s.mac("salt", []byte(login), []byte(grant))[:16]
}

// verifiers remembers what PBKDF2 gave, for known and unknown names alike, so
// that neither costs nor time tells them apart.
type verifiers struct {
	mu   sync.Mutex
	keys map[string]pggate.Keys
}

const maxVerifiers = 4096

func (v *verifiers) of(secret string, salt []byte) (pggate.Keys, error) {
	id := secret + string(salt)
	v.mu.Lock()
	k, ok := v.keys[id]
	v.mu.Unlock()
	if ok {
		return k, nil
	}
	k, err := scramKeys(secret, salt, iterations)
	if err != nil {
		return k, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil || len(v.keys) >= maxVerifiers {
		v.keys = make(map[string]pggate.Keys)
	}
	v.keys[id] = k
	return k, nil
}

// scramKeys derives StoredKey and ServerKey (RFC 5802, section 3).
func scramKeys(password string, salt []byte, rounds int) (k pggate.Keys, err error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return k, err
	}
	mac := func(text string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	k.StoredKey = sha256.Sum256(mac("Client Key"))
	copy(k.ServerKey[:], mac("Server Key"))
	return k, nil
}

// Verifier is what PostgreSQL keeps of a password (RFC 5803), so that the
// password itself never stands in a statement.
func Verifier(password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	k, err := scramKeys(password, salt, iterations)
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, base64Std(salt), base64Std(k.StoredKey[:]), base64Std(k.ServerKey[:])), err
}
