package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed" // the commented configuration and the first rules
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/record"
)

// Template is trefoil.yaml with every setting and a comment on each.
//
//go:embed trefoil.yaml
var Template string

// InitOptions is what a new instance needs to be told.
type InitOptions struct {
	Dir    string // where trefoil.yaml goes
	Zone   string
	Origin string // the log's C2SP origin, a schema-less URL such as trefoil.example/eu
	Hosts  []string
	Clock  func() time.Time
}

// Init makes a directory with trefoil.yaml, three keys, a certificate of its
// own and a new log. It replaces nothing. It gives the genesis hash.
func Init(o InitOptions) (record.Hash, error) {
	path := filepath.Join(o.Dir, "trefoil.yaml")
	if _, err := os.Lstat(path); err == nil {
		return record.Hash{}, fault.New(fault.Conflict, "%s is there already and is not replaced", path).WithHint("trefoil serve --config %s", path)
	}
	if !record.IsName(o.Zone) {
		return record.Hash{}, fault.New(fault.BadInput, "zone %q is not a name of a-z, 0-9 and hyphens", o.Zone)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return record.Hash{}, err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, o.Origin)
	if err != nil {
		return record.Hash{}, fault.New(fault.BadInput, "origin %q: %s", o.Origin, err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return record.Hash{}, fault.New(fault.BadInput, "origin %q can't name a log: it has no spaces and no plus", o.Origin)
	}
	seed, master := ledger.NewSeed(), ledger.NewSeed()
	keys := filepath.Join(o.Dir, "keys")
	for name, text := range map[string]string{
		"log.key": skey, "gate.seed": base64.StdEncoding.EncodeToString(seed[:]), "evidence.key": base64.StdEncoding.EncodeToString(master[:]),
	} {
		if err := writeSecret(filepath.Join(keys, name), text); err != nil {
			return record.Hash{}, err
		}
	}
	if err := selfSigned(keys, o.Hosts, o.Clock()); err != nil {
		return record.Hash{}, err
	}
	text := strings.ReplaceAll(strings.ReplaceAll(Template, "ZONE", o.Zone), "GATE", o.Zone+"-1")
	if err := durable.WriteFile(path, []byte(text), 0o644); err != nil {
		return record.Hash{}, err
	}
	cfg, err := LoadConfig(path)
	if err != nil {
		return record.Hash{}, err
	}
	return ledger.Create(ledger.Options{Dir: cfg.Path(cfg.DataDir), Gate: cfg.Gate, Signer: signer, Master: master, Clock: o.Clock},
		record.Genesis{Zone: o.Zone, LogKey: vkey, Overseers: []string{}, ReleaseDefault: "recorded"})
}

// selfSigned makes keys/tls.crt and keys/tls.key: enough to try, and to be
// replaced by a certificate of the organisation's own authority.
func selfSigned(dir string, hosts []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	tmpl := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "trefoil"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, &tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := durable.WriteFile(filepath.Join(dir, "tls.crt"), cert, 0o644); err != nil {
		return err
	}
	return writeSecret(filepath.Join(dir, "tls.key"), strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}))))
}
