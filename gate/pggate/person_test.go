package pggate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// issuer signs client certificates.
type issuer struct {
	tb   testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newIssuer(tb testing.TB) *issuer {
	tb.Helper()
	pair, _ := certificate(tb)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		tb.Fatal(err)
	}
	return &issuer{tb, pair.PrivateKey.(*ecdsa.PrivateKey), leaf}
}

func (i *issuer) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(i.cert)
	return p
}

// issue gives a certificate for a common name, changed by what the test wants.
func (i *issuer) issue(cn string, change ...func(*x509.Certificate)) tls.Certificate {
	i.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.tb.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: cn}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, f := range change {
		f(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, i.cert, &key.PublicKey, i.key)
	if err != nil {
		i.tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func uri(s string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		u, err := url.Parse(s)
		if err != nil {
			panic(err)
		}
		c.URIs = append(c.URIs, u)
	}
}

// login connects as user with a certificate (nil: none) and a password.
func (w *world) login(cert *tls.Certificate, user, password string) error {
	w.tb.Helper()
	cfg, err := pgx.ParseConfig(w.url(""))
	if err != nil {
		w.tb.Fatal(err)
	}
	cfg.User, cfg.Password = user, password
	if cert != nil {
		cfg.TLSConfig.Certificates = []tls.Certificate{*cert}
	}
	c, err := pgx.ConnectConfig(context.Background(), cfg)
	if err == nil {
		_ = c.Close(context.Background())
	}
	return err
}

func askFor(mode ClientAuth, ca *issuer) func(*Config) {
	pool := ca.pool()
	return func(c *Config) { c.ClientAuth, c.ClientCAs = mode, func() *x509.CertPool { return pool } }
}

func TestACertificateNamesItsLogin(t *testing.T) {
	ca, foreign := newIssuer(t), newIssuer(t)
	second := func(c *x509.Certificate) {
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "anna"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "eve"}}
	}
	for name, c := range map[string]struct {
		cert tls.Certificate
		want string // SQLSTATE; "tls": the handshake fails
	}{
		"common name":         {ca.issue("anna"), ""},
		"URI":                 {ca.issue("Anna Berg", uri("trefoil:login:anna")), ""},
		"URI before name":     {ca.issue("anna", uri("trefoil:login:eve")), "28P01"},
		"other URIs":          {ca.issue("anna", uri("spiffe://clips/eve")), ""},
		"two URIs":            {ca.issue("anna", uri("trefoil:login:anna"), uri("trefoil:login:eve")), "28P01"},
		"URI of another kind": {ca.issue("anna", uri("trefoil:service:anna")), "28P01"},
		"two names":           {ca.issue("", second), "28P01"},
		"another's":           {ca.issue("eve"), "28P01"},
		"a name in capitals":  {ca.issue("Anna"), "28P01"},
		"no name":             {ca.issue(""), "28P01"},
		"with a grant":        {ca.issue("anna~g-aaab"), "28P01"},
		"expired":             {ca.issue("anna", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "tls"},
		"not for clients":     {ca.issue("anna", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "tls"},
		"another issuer's":    {foreign.issue("anna"), "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []ClientAuth{CertOptional, CertRequired, CertSufficient} {
				w := newWorld(t, askFor(mode, ca))
				err := w.login(&c.cert, "anna", testSecret)
				switch {
				case c.want == "tls" && (err == nil || state(err) != ""), c.want != "tls" && (state(err) != c.want || c.want == "" && err != nil):
					t.Errorf("mode %d: got %v", mode, err)
				}
				if c.want == "" {
					sum := sha256.Sum256(c.cert.Certificate[0])
					equal(t, "fingerprint", w.desk.logins[0].Certificate, hex.EncodeToString(sum[:]))
				} else {
					equal(t, "opened", len(w.desk.logins), 0)
				}
			}
		})
	}
}

func TestWhatACertificateIsFor(t *testing.T) {
	ca := newIssuer(t)
	anna := ca.issue("anna")
	for mode, want := range map[ClientAuth][4]string{
		//                secret, certificate, both, certificate and a wrong secret
		CertIgnored:    {"", "28P01", "", "28P01"},
		CertOptional:   {"", "28P01", "", "28P01"},
		CertRequired:   {"28P01", "28P01", "", "28P01"},
		CertSufficient: {"", "", "", ""},
	} {
		w := newWorld(t, askFor(mode, ca))
		got := [4]string{
			state(w.login(nil, "anna", testSecret)), state(w.login(&anna, "anna", "")),
			state(w.login(&anna, "anna", testSecret)), state(w.login(&anna, "anna", "wrong")),
		}
		equal(t, "answers", got, want)
		for _, l := range w.desk.logins {
			if mode == CertSufficient && l.Certificate != "" {
				equal(t, "grant", l.Grant, 0)
			} else {
				equal(t, "grant", l.Grant, 8)
			}
		}
	}
}

func TestPsqlShowsACertificate(t *testing.T) {
	ca := newIssuer(t)
	w := newWorld(t, askFor(CertRequired, ca))
	_, errs, err := w.psql("", "-d", "clips", "-c", "select 1")
	if err == nil {
		t.Error("got in without a certificate")
	}
	contains(t, errs, "asks for a client certificate", "sslcert=FILE")
	cert := ca.issue("anna")
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, "key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dsn := "dbname=clips channel_binding=require sslcert=" + filepath.Join(dir, "crt") + " sslkey=" + filepath.Join(dir, "key")
	out, errs, err := w.psql("", "-d", dsn, "-A", "-t", "-c", "select 1")
	if err != nil || out != "1\n" {
		t.Error(out, errs, err)
	}
}
