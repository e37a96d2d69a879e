package identity

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Limits on what a stranger may send. The largest real signature, RSA with 8192
// bits, takes about 3 KiB armored.
const (
	maxArmored   = 16 << 10
	maxNamespace = 255
	maxKeyLine   = 8 << 10
	minRSABits   = 2048
	maxRSABits   = 8192
)

const (
	armorBegin = "-----BEGIN SSH SIGNATURE-----"
	armorEnd   = "-----END SSH SIGNATURE-----"
	sigMagic   = "SSHSIG"
)

// sigBlob is the signature blob of PROTOCOL.sshsig after the magic.
type sigBlob struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  []byte
	HashAlg   string
	Signature []byte
}

// signedData is what the key signs, after the magic (PROTOCOL.sshsig).
type signedData struct {
	Namespace string
	Reserved  []byte
	HashAlg   string
	Hash      []byte
}

// Verify checks a signature made by `ssh-keygen -Y sign -n namespace`
// over message: armored is the file it wrote (OpenSSH PROTOCOL.sshsig, version
// 1). Keys: Ed25519, ECDSA, RSA with 2048 to 8192 bits and SHA-2, and Ed25519 on
// a security key that was touched. The signature must be by pub and for
// namespace; the hash may be sha256 or sha512. The error is a fault.BadInput.
func Verify(pub ssh.PublicKey, namespace string, message, armored []byte) error {
	if namespace == "" || len(namespace) > maxNamespace {
		return fault.New(fault.BadInput, "a signature needs a namespace of at most %d bytes", maxNamespace)
	}
	if err := acceptable(pub); err != nil {
		return err
	}
	raw, err := dearmor(armored)
	if err != nil {
		return err
	}
	body, ok := bytes.CutPrefix(raw, []byte(sigMagic))
	var b sigBlob
	if !ok || ssh.Unmarshal(body, &b) != nil {
		return fault.New(fault.BadInput, "this is not an SSH signature")
	}
	if b.Version != 1 {
		return fault.New(fault.BadInput, "the SSH signature has version %d; only 1 is known", b.Version)
	}
	if !bytes.Equal(b.PublicKey, pub.Marshal()) {
		return fault.New(fault.BadInput, "the signature was made with another key than the enrolled one, %s", ssh.FingerprintSHA256(pub))
	}
	if b.Namespace != namespace {
		return fault.New(fault.BadInput, "the signature is for %q, not for %q", clip(b.Namespace), namespace).
			WithHint("ssh-keygen -Y sign -n %s", namespace)
	}
	var sum []byte
	switch b.HashAlg {
	case "sha256":
		h := sha256.Sum256(message)
		sum = h[:]
	case "sha512":
		h := sha512.Sum512(message)
		sum = h[:]
	default:
		return fault.New(fault.BadInput, "the signature uses the hash %q; sha256 and sha512 are accepted", clip(b.HashAlg))
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(b.Signature, &sig); err != nil {
		return fault.New(fault.BadInput, "the SSH signature is damaged")
	}
	if err := acceptableFormat(pub.Type(), &sig); err != nil {
		return err
	}
	data := append([]byte(sigMagic), ssh.Marshal(signedData{namespace, b.Reserved, b.HashAlg, sum})...)
	if err := pub.Verify(data, &sig); err != nil {
		return fault.New(fault.BadInput, "the signature does not fit the message: %w", err)
	}
	return nil
}

// acceptable says whether the key may be enrolled at all.
func acceptable(pub ssh.PublicKey) error {
	switch pub.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case ssh.KeyAlgoRSA:
		var k struct {
			Name string
			E, N []byte
			Rest []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(pub.Marshal(), &k); err != nil {
			return fault.New(fault.BadInput, "the RSA key is damaged")
		}
		// A modulus is sent as a positive mpint: a zero byte may lead.
		n := bytes.TrimLeft(k.N, "\x00")
		bits := len(n) * 8
		if len(n) > 0 {
			for top := n[0]; top < 0x80; top <<= 1 {
				bits--
			}
		}
		if bits < minRSABits || bits > maxRSABits {
			return fault.New(fault.BadInput, "the RSA key has %d bits; %d to %d are accepted", bits, minRSABits, maxRSABits).
				WithHint("ssh-keygen -t ed25519")
		}
		return nil
	}
	return fault.New(fault.BadInput, "keys of type %q are not accepted", clip(pub.Type())).WithHint("ssh-keygen -t ed25519")
}

// acceptableFormat ties the signature's algorithm to the key's, refuses SHA-1
// and, for a security key, insists on the touch.
func acceptableFormat(keyType string, sig *ssh.Signature) error {
	ok := sig.Format == keyType
	if keyType == ssh.KeyAlgoRSA {
		ok = sig.Format == ssh.KeyAlgoRSASHA256 || sig.Format == ssh.KeyAlgoRSASHA512
	}
	if !ok {
		return fault.New(fault.BadInput, "the signature algorithm %q is not accepted for a key of type %s", clip(sig.Format), keyType)
	}
	if keyType == ssh.KeyAlgoSKED25519 {
		// flags byte, then a uint32 counter (PROTOCOL.u2f); bit 0 is user presence.
		if len(sig.Rest) != 5 || sig.Rest[0]&1 == 0 {
			return fault.New(fault.BadInput, "the security key was not touched for this signature")
		}
	} else if len(sig.Rest) != 0 {
		return fault.New(fault.BadInput, "the SSH signature has trailing bytes")
	}
	return nil
}

// dearmor accepts what ssh-keygen writes: the two marker lines with base64
// between them, lines ending in LF or CRLF, and white space around the whole.
func dearmor(armored []byte) ([]byte, error) {
	if len(armored) > maxArmored {
		return nil, fault.New(fault.TooLarge, "the SSH signature has %d bytes; at most %d are read", len(armored), maxArmored)
	}
	s := strings.TrimSpace(string(armored))
	s, begins := strings.CutPrefix(s, armorBegin+lineEnd(s))
	s, ends := strings.CutSuffix(s, armorEnd)
	if !begins || !ends {
		return nil, fault.New(fault.BadInput, "an SSH signature starts with %q and ends with %q", armorBegin, armorEnd)
	}
	s = strings.NewReplacer("\r\n", "", "\n", "").Replace(s)
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fault.New(fault.BadInput, "the SSH signature is not base64: %w", err)
	}
	return raw, nil
}

func lineEnd(s string) string {
	if strings.HasPrefix(s, armorBegin+"\r\n") {
		return "\r\n"
	}
	return "\n"
}

// ParseAuthorizedKey reads one public key line as in a .pub file
// ("ssh-ed25519 AAAA… comment") and gives the key and its comment. Options,
// certificates, weak keys and a second line are refused with a fault.BadInput.
func ParseAuthorizedKey(line []byte) (pub ssh.PublicKey, comment string, err error) {
	if len(line) > maxKeyLine {
		return nil, "", fault.New(fault.TooLarge, "the public key has %d bytes; at most %d are read", len(line), maxKeyLine)
	}
	pub, comment, options, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, "", fault.New(fault.BadInput, "this is not a public key line such as ssh-ed25519 AAAA…").
			WithHint("give the .pub file that ssh-keygen wrote")
	}
	if len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, "", fault.New(fault.BadInput, "give one public key, without options before it")
	}
	if err := acceptable(pub); err != nil {
		return nil, "", err
	}
	return pub, comment, nil
}

// clip makes a stranger's text safe to quote in an error.
func clip(s string) string {
	if len(s) > 64 {
		return fmt.Sprintf("%s…", s[:64])
	}
	return s
}
