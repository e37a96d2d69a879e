package identity

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// armorColumn is where ssh-keygen breaks the base64 lines.
const armorColumn = 70

// Sign makes what `ssh-keygen -Y sign -n namespace` makes: an armored SSHSIG
// over message with SHA-512, which Verify and `ssh-keygen -Y verify` accept. The
// signer may be a private key or an agent's.
func Sign(signer ssh.Signer, namespace string, message []byte) ([]byte, error) {
	pub := signer.PublicKey()
	if err := acceptable(pub); err != nil {
		return nil, err
	}
	if namespace == "" || len(namespace) > maxNamespace {
		return nil, fault.New(fault.BadInput, "a signature needs a namespace of at most %d bytes", maxNamespace)
	}
	sum := sha512.Sum512(message)
	data := append([]byte(sigMagic), ssh.Marshal(signedData{Namespace: namespace, HashAlg: "sha512", Hash: sum[:]})...)
	sig, err := signWith(signer, data)
	if err != nil {
		return nil, fault.New(fault.BadInput, "the key %s does not sign: %w", ssh.FingerprintSHA256(pub), err)
	}
	blob := append([]byte(sigMagic), ssh.Marshal(sigBlob{
		Version: 1, PublicKey: pub.Marshal(), Namespace: namespace, HashAlg: "sha512", Signature: ssh.Marshal(sig),
	})...)
	var b strings.Builder
	b.WriteString(armorBegin + "\n")
	for text := base64.StdEncoding.EncodeToString(blob); text != ""; {
		n := min(armorColumn, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	b.WriteString(armorEnd + "\n")
	return []byte(b.String()), nil
}

// signWith asks an RSA key for SHA-512; its default would be SHA-1.
func signWith(signer ssh.Signer, data []byte) (*ssh.Signature, error) {
	if signer.PublicKey().Type() != ssh.KeyAlgoRSA {
		return signer.Sign(rand.Reader, data)
	}
	as, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fault.New(fault.BadInput, "this RSA key cannot sign with SHA-512")
	}
	return as.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
}
