package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
)

// readSecret reads a one-line secret file that nobody else may read.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fault.New(fault.BadInput, "secret file: %s", err).WithHint("trefoil init makes the keys of a new log")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.New(fault.BadInput, "%s can be read by others (mode %s)", path, info.Mode().Perm()).WithHint("chmod 600 %s", path)
	}
	data, err := os.ReadFile(path)
	return strings.TrimSpace(string(data)), err
}

// ReadPassword reads a store's password file.
func ReadPassword(path string) (string, error) { return readSecret(path) }

func readSeed(path string) (seed [32]byte, err error) {
	text, err := readSecret(path)
	if err != nil {
		return seed, err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != len(seed) {
		return seed, fault.New(fault.BadInput, "%s does not hold 32 bytes in base64", path)
	}
	copy(seed[:], raw)
	return seed, nil
}

func readSigner(path string) (note.Signer, error) {
	text, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(text)
	if err != nil {
		return nil, fault.New(fault.BadInput, "%s does not hold a note signing key", path)
	}
	return signer, nil
}

// writeSecret makes a secret file, and refuses to replace one.
func writeSecret(path, text string) error {
	if _, err := os.Lstat(path); err == nil {
		return fault.New(fault.Conflict, "%s is there already and is not replaced", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(path, []byte(text+"\n"), fs.FileMode(0o600))
}

// NewPassword makes a password file with 256 random bits, unless it is there.
func NewPassword(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	seed := ledger.NewSeed()
	return writeSecret(path, base64.RawURLEncoding.EncodeToString(seed[:]))
}

// ledgerOptions reads what a log needs to be opened or made.
func (c *Config) ledgerOptions() (opt ledger.Options, err error) {
	opt = ledger.Options{Dir: c.Path(c.DataDir), Gate: c.Gate}
	if opt.Signer, err = readSigner(c.Path(c.Keys.Log)); err != nil {
		return opt, err
	}
	if opt.Master, err = readSeed(c.Path(c.Keys.Evidence)); err != nil {
		return opt, err
	}
	genesis, err := os.ReadFile(filepath.Join(opt.Dir, "log", "genesis.json"))
	if err != nil {
		return opt, fault.New(fault.BadInput, "there is no log in %s", opt.Dir).WithHint("trefoil init makes one")
	}
	g, verifier, _, err := ledger.ParseGenesis(genesis)
	if err != nil {
		return opt, err
	}
	if g.Zone != c.Zone {
		return opt, fault.New(fault.BadInput, "the log in %s belongs to zone %s, not %s", opt.Dir, g.Zone, c.Zone)
	}
	if verifier.Name() != opt.Signer.Name() || verifier.KeyHash() != opt.Signer.KeyHash() {
		return opt, fault.New(fault.BadInput, "%s is not the key this log was made with", c.Path(c.Keys.Log)).
			WithHint("keys.log names the file that trefoil init made for this data_dir")
	}
	opt.Verifier = verifier
	return opt, nil
}

// certificate reads the TLS certificate and its key. One that clients would
// refuse is refused here, where the operator sees why.
func (c *Config) certificate(now time.Time) (*tls.Certificate, error) {
	path := c.Path(c.TLS.Certificate)
	cert, err := tls.LoadX509KeyPair(path, c.Path(c.TLS.Key))
	if err != nil {
		return nil, fault.New(fault.BadInput, "%s with key %s: %s", path, c.Path(c.TLS.Key), strings.TrimPrefix(err.Error(), "tls: ")).
			WithHint("give a certificate and its own key, as PEM files")
	}
	if now.After(cert.Leaf.NotAfter) || now.Before(cert.Leaf.NotBefore) {
		return nil, fault.New(fault.BadInput, "%s is valid from %s to %s, which is not now", path,
			cert.Leaf.NotBefore.UTC().Format(time.RFC3339), cert.Leaf.NotAfter.UTC().Format(time.RFC3339)).
			WithHint("put a new certificate and its key there")
	}
	return &cert, nil
}

// issuers reads who issues client certificates; nil when none are asked for.
func (c *Config) issuers() (*x509.CertPool, error) {
	if c.TLS.ClientCA == "" {
		return nil, nil
	}
	path := c.Path(c.TLS.ClientCA)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.BadInput, "tls.client_ca: %s", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.BadInput, "tls.client_ca: %s holds no certificate", path).WithHint("give the issuers' certificates as a PEM file")
	}
	return pool, nil
}

// Evidence reads the key that opens sealed parts, for log verify --dir.
func (c *Config) Evidence() ([32]byte, error) { return readSeed(c.Path(c.Keys.Evidence)) }

// ReadSeed reads a file of 32 bytes in base64.
func ReadSeed(path string) ([32]byte, error) { return readSeed(path) }

// indexKey hashes people's keys in the index. Whoever has the evidence master
// can read them in the evidence itself.
func indexKey(master [32]byte) (key [32]byte) {
	h := hmac.New(sha256.New, master[:])
	h.Write([]byte("trefoil/index/v1"))
	h.Sum(key[:0])
	return key
}
