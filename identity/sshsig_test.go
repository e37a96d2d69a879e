package identity_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/trefoil-dev/trefoil/identity"
)

const ns = "request@trefoil.dev"

var message = []byte("request r-aaab\npurpose support\n")

// keygen runs the real ssh-keygen.
func keygen(t testing.TB, stdin []byte, args ...string) error {
	t.Helper()
	bin, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal("ssh-keygen is missing; install it: apt-get install openssh-client")
	}
	cmd := exec.Command(bin, args...)
	cmd.Stdin = strings.NewReader(string(stdin))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("ssh-keygen %s: %s", strings.Join(args, " "), out)
	}
	return err
}

// newKey makes a key with ssh-keygen and reads its public half as we would.
func newKey(t testing.TB, kind ...string) (file string, pub ssh.PublicKey) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "key")
	if err := keygen(t, nil, append([]string{"-q", "-N", "", "-C", "mei@laptop", "-f", file, "-t"}, kind...)...); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	pub, comment, err := identity.ParseAuthorizedKey(line)
	if err != nil || comment != "mei@laptop" {
		t.Fatalf("%v %q", err, comment)
	}
	return file, pub
}

// signFile signs with ssh-keygen.
func signFile(t testing.TB, file, namespace string, msg []byte, opts ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(path, msg, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-q", "-Y", "sign", "-f", file, "-n", namespace}, opts...)
	if err := keygen(t, nil, append(args, path)...); err != nil {
		t.Fatal(err)
	}
	sig, err := os.ReadFile(path + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// acceptedByKeygen verifies with ssh-keygen.
func acceptedByKeygen(t testing.TB, pub ssh.PublicKey, msg, sig []byte) error {
	t.Helper()
	dir := t.TempDir()
	allowed, sigFile := filepath.Join(dir, "allowed"), filepath.Join(dir, "sig")
	line := "mei@example namespaces=\"" + ns + "\" " + string(ssh.MarshalAuthorizedKey(pub))
	if err := os.WriteFile(allowed, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sigFile, sig, 0o600); err != nil {
		t.Fatal(err)
	}
	return keygen(t, msg, "-Y", "verify", "-f", allowed, "-I", "mei@example", "-n", ns, "-s", sigFile)
}

func TestSignaturesBothWays(t *testing.T) {
	for _, kind := range [][]string{
		{"ed25519"}, {"ecdsa", "-b", "256"}, {"ecdsa", "-b", "384"}, {"ecdsa", "-b", "521"}, {"rsa", "-b", "2048"}, {"rsa", "-b", "3072"},
	} {
		t.Run(strings.Join(kind, ""), func(t *testing.T) {
			file, pub := newKey(t, kind...)
			for _, opts := range [][]string{nil, {"-O", "hashalg=sha256"}} {
				theirs := signFile(t, file, ns, message, opts...)
				if err := identity.Verify(pub, ns, message, theirs); err != nil {
					t.Fatal(err)
				}
				crlf := strings.ReplaceAll(string(theirs), "\n", "\r\n")
				if err := identity.Verify(pub, ns, message, []byte(crlf)); err != nil {
					t.Fatal(err)
				}
				if identity.Verify(pub, ns, append(message, ' '), theirs) == nil {
					t.Fatal("another message is accepted")
				}
				if identity.Verify(pub, "approval@trefoil.dev", message, theirs) == nil {
					t.Fatal("another namespace is accepted")
				}
			}
			secret, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.ParsePrivateKey(secret)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := identity.Sign(signer, ns, message)
			if err != nil {
				t.Fatal(err)
			}
			if err := identity.Verify(pub, ns, message, ours); err != nil {
				t.Fatal(err)
			}
			if err := acceptedByKeygen(t, pub, message, ours); err != nil {
				t.Fatal("ssh-keygen does not accept our signature")
			}
		})
	}
}

func TestAnotherPersonsKey(t *testing.T) {
	file, _ := newKey(t, "ed25519")
	_, other := newKey(t, "ed25519")
	err := identity.Verify(other, ns, message, signFile(t, file, ns, message))
	if err == nil || !strings.Contains(err.Error(), "another key than the enrolled one") {
		t.Fatal(err)
	}
}

// parts is a signature taken apart, to be put together wrongly.
type parts struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  []byte
	HashAlg   string
	Signature []byte
}

func (p parts) armored() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: append([]byte("SSHSIG"), ssh.Marshal(p)...)})
}

// signed is what the key must sign for p (PROTOCOL.sshsig).
func (p parts) signed(msg []byte) []byte {
	sum := sha512.Sum512(msg)
	return append([]byte("SSHSIG"), ssh.Marshal(struct {
		Namespace string
		Reserved  []byte
		HashAlg   string
		Hash      []byte
	}{p.Namespace, p.Reserved, p.HashAlg, sum[:]})...)
}

func TestVerifyRefuses(t *testing.T) {
	pubKey, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(pubKey)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(change func(*parts, *ssh.Signature)) []byte {
		p := parts{Version: 1, PublicKey: pub.Marshal(), Namespace: ns, HashAlg: "sha512"}
		sig := &ssh.Signature{Format: ssh.KeyAlgoED25519, Blob: ed25519.Sign(secret, p.signed(message))}
		change(&p, sig)
		if p.Signature == nil {
			p.Signature = ssh.Marshal(sig)
		}
		return p.armored()
	}
	good := forge(func(*parts, *ssh.Signature) {})
	if err := identity.Verify(pub, ns, message, good); err != nil {
		t.Fatal(err)
	}
	body := strings.TrimSuffix(strings.TrimPrefix(string(good), "-----BEGIN SSH SIGNATURE-----\n"), "-----END SSH SIGNATURE-----\n")
	for name, sig := range map[string][]byte{
		"version 2":        forge(func(p *parts, _ *ssh.Signature) { p.Version = 2 }),
		"hash sha1":        forge(func(p *parts, _ *ssh.Signature) { p.HashAlg = "sha1" }),
		"other hash":       forge(func(p *parts, _ *ssh.Signature) { p.HashAlg = "sha256" }),
		"reserved changed": forge(func(p *parts, _ *ssh.Signature) { p.Reserved = []byte("x") }),
		"flipped bit":      forge(func(_ *parts, s *ssh.Signature) { s.Blob[5] ^= 1 }),
		"short signature":  forge(func(_ *parts, s *ssh.Signature) { s.Blob = s.Blob[:63] }),
		"other algorithm":  forge(func(_ *parts, s *ssh.Signature) { s.Format = ssh.KeyAlgoRSASHA512 }),
		"trailing bytes":   forge(func(_ *parts, s *ssh.Signature) { s.Rest = []byte{1} }),
		"empty signature":  forge(func(p *parts, _ *ssh.Signature) { p.Signature = []byte{} }),
		"nothing":          nil,
		"only markers":     []byte("-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n"),
		"no end":           []byte("-----BEGIN SSH SIGNATURE-----\n" + body),
		"not base64":       []byte("-----BEGIN SSH SIGNATURE-----\n!" + body[1:] + "-----END SSH SIGNATURE-----\n"),
		"something after":  append(append([]byte{}, good...), []byte("x")...),
		"no magic":         []byte("-----BEGIN SSH SIGNATURE-----\n" + base64.StdEncoding.EncodeToString([]byte("SSHSIC")) + "\n-----END SSH SIGNATURE-----\n"),
		"too long":         append(append([]byte{}, good...), forge(func(p *parts, _ *ssh.Signature) { p.Reserved = []byte(strings.Repeat("x", 20000)) })...),
	} {
		if identity.Verify(pub, ns, message, sig) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if identity.Verify(pub, "", message, good) == nil {
		t.Error("an empty namespace is accepted")
	}
}

// A security key signs over the application, flags and a counter
// (PROTOCOL.u2f).
func TestSecurityKeyMustBeTouched(t *testing.T) {
	pubKey, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, pubKey, "ssh:"}))
	if err != nil {
		t.Fatal(err)
	}
	sign := func(flags byte) []byte {
		p := parts{Version: 1, PublicKey: pub.Marshal(), Namespace: ns, HashAlg: "sha512"}
		app, msg := sha256.Sum256([]byte("ssh:")), sha256.Sum256(p.signed(message))
		tail := []byte{flags, 0, 0, 0, 7}
		data := append(append(app[:], tail...), msg[:]...)
		p.Signature = ssh.Marshal(ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(secret, data), Rest: tail})
		return p.armored()
	}
	touched, untouched := sign(1), sign(0)
	if err := identity.Verify(pub, ns, message, touched); err != nil {
		t.Fatal(err)
	}
	if err := acceptedByKeygen(t, pub, message, touched); err != nil {
		t.Fatal("ssh-keygen does not accept the touched signature")
	}
	// ssh-keygen itself lets this one pass, so the signature is otherwise right.
	if err := acceptedByKeygen(t, pub, message, untouched); err != nil {
		t.Fatal("the untouched signature is wrong in itself")
	}
	if err := identity.Verify(pub, ns, message, untouched); err == nil || !strings.Contains(err.Error(), "was not touched") {
		t.Fatal(err)
	}
}

func TestRSAIsNeverSHA1NorShort(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := parts{Version: 1, PublicKey: signer.PublicKey().Marshal(), Namespace: ns, HashAlg: "sha512"}
	sig, err := signer.Sign(rand.Reader, p.signed(message))
	if err != nil || sig.Format != ssh.KeyAlgoRSA {
		t.Fatalf("this test needs a SHA-1 signature: %v", err)
	}
	p.Signature = ssh.Marshal(sig)
	if err := identity.Verify(signer.PublicKey(), ns, message, p.armored()); err == nil || !strings.Contains(err.Error(), `"ssh-rsa" is not accepted`) {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(&short.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := identity.ParseAuthorizedKey(ssh.MarshalAuthorizedKey(pub)); err == nil || !strings.Contains(err.Error(), "has 1024 bits") {
		t.Fatal(err)
	}
}

func TestParseAuthorizedKeyRefuses(t *testing.T) {
	_, pub := newKey(t, "ed25519")
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))
	for name, s := range map[string]string{
		"nothing":   "",
		"a word":    "hello",
		"options":   `command="x" ` + line,
		"two keys":  line + "\n" + line + "\n",
		"truncated": line[:40],
		"dss":       "ssh-dss " + line[12:],
		"too long":  line + strings.Repeat(" x", 8000),
		"private":   "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
	} {
		if _, _, err := identity.ParseAuthorizedKey([]byte(s)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whatever a stranger sends as a signature is refused without a panic; only the
// genuine bytes, give or take white space, are accepted.
func FuzzVerify(f *testing.F) {
	seed := make([]byte, ed25519.SeedSize)
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		f.Fatal(err)
	}
	good, err := identity.Sign(signer, ns, message)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, message)
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"), []byte{})
	f.Fuzz(func(t *testing.T, armored, msg []byte) {
		if identity.Verify(signer.PublicKey(), ns, msg, armored) == nil && string(msg) != string(message) {
			t.Fatalf("accepted over %q", msg)
		}
		_, _, _ = identity.ParseAuthorizedKey(armored)
	})
}
