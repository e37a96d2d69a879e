package identity

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// Key is a public key in the two forms that are recorded.
type Key struct {
	Authorized  string // authorized_keys form without comment or newline
	Fingerprint string // SHA256:… as ssh-keygen -l prints it
}

// Enrolled gives a key's recorded forms.
func Enrolled(pub ssh.PublicKey) Key {
	return Key{Authorized: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))), Fingerprint: ssh.FingerprintSHA256(pub)}
}
