package story

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/test/world"
)

// authority issues certificates to staff.
type authority struct {
	tb   testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func (a *authority) sign(tmpl *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.tb.Helper()
	parent := a.cert
	if parent == nil {
		parent = tmpl
	}
	tmpl.SerialNumber, tmpl.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return c
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{tb: tb, key: newKey(tb)}
	a.cert = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "staff"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, a.key)
	return a
}

func (a *authority) issue(login string) tls.Certificate {
	key := newKey(a.tb)
	c := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: login}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, key)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

func (a *authority) write(path string) {
	a.tb.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o644); err != nil {
		a.tb.Fatal(err)
	}
}

func TestCertificatesOfStaff(t *testing.T) {
	w := world.New(t)
	staff := newAuthority(t)
	path := filepath.Join(w.Dir, "keys", "staff.crt")
	staff.write(path)
	jonas, mei := w.As("jonas"), w.As("mei")
	grant := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}})

	// login gives the SQLSTATE of a connection as user with a certificate.
	login := func(cert *tls.Certificate, user, password string) string {
		cfg := jonas.Config(grant, "dublin-1")
		cfg.User, cfg.Password = user, password
		if cert != nil {
			cfg.TLSConfig.Certificates = []tls.Certificate{*cert}
		}
		conn, err := pgx.ConnectConfig(context.Background(), cfg)
		var pg *pgconn.PgError
		switch {
		case errors.As(err, &pg):
			return pg.Code
		case err != nil:
			return "tls"
		}
		_ = conn.Close(context.Background())
		return ""
	}
	again := func(mode string) {
		w.Stop()
		w.Config.TLS.ClientCA, w.Config.TLS.ClientAuth = path, mode
		w.Start()
	}
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, not %q", what, got, want)
		}
	}
	his, hers, secret := staff.issue("jonas"), staff.issue("mei"), jonas.Secret(grant)

	again("required")
	check("the secret alone", login(nil, "jonas", secret), "28P01")
	check("the certificate alone", login(&his, "jonas", ""), "28P01")
	check("both", login(&his, "jonas", secret), "")
	check("another's certificate", login(&hers, "jonas", secret), "28P01")

	again("sufficient")
	check("the certificate alone", login(&his, "jonas~"+grant.ID(), ""), "")
	check("the certificate alone, with one grant", login(&his, "jonas", ""), "")
	check("another's certificate", login(&hers, "jonas~"+grant.ID(), secret), "28P01")
	check("another's grant", login(&hers, mei.Login+"~"+grant.ID(), secret), "42501")
	check("the secret alone", login(nil, "jonas", secret), "")

	other := newAuthority(t)
	other.write(path)
	if err := w.App.Reload(); err != nil {
		t.Fatal(err)
	}
	check("an issuer that is no more", login(&his, "jonas", secret), "tls")
	next := other.issue("jonas")
	check("the new issuer", login(&next, "jonas", ""), "")
}
