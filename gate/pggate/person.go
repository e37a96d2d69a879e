package pggate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// ClientAuth says what a client certificate is for. In every mode one that is shown
// must be valid and must name the login: a certificate for jonas can never log in
// as mei, whatever else is known.
type ClientAuth uint8

const (
	CertIgnored    ClientAuth = iota // none is asked for
	CertOptional                     // the grant's secret counts; a certificate comes on top
	CertRequired                     // the secret and a certificate, both
	CertSufficient                   // a certificate replaces the secret; without one the secret counts
)

// person is who a client certificate stands for.
type person struct {
	login string // "": no certificate was shown
	print string // SHA-256 of the certificate's DER, hex
}

// errCertificate ends a handshake; the client sees an alert.
var errCertificate = errors.New("pggate: the client certificate is not accepted")

// verifyPeer is a tls.Config's VerifyConnection: the chain must lead to one of the
// roots now in force, and the certificate must be made for clients.
func verifyPeer(roots func() *x509.CertPool, t *tls.Config) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return nil
		}
		opt := x509.VerifyOptions{Roots: roots(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if opt.Roots == nil {
			return errCertificate // nil would mean the system's
		}
		if t.Time != nil {
			opt.CurrentTime = t.Time()
		}
		for _, c := range s.PeerCertificates[1:] {
			opt.Intermediates.AddCert(c)
		}
		if _, err := s.PeerCertificates[0].Verify(opt); err != nil {
			return errors.Join(errCertificate, err)
		}
		return nil
	}
}

// loginURI is what a URI SAN that names a login starts with: trefoil:login:jonas.
const loginURI = "trefoil:login:"

// certified reads whom a verified certificate names: its one URI SAN
// trefoil:login:LOGIN, or without a URI of that scheme its one common name. Two
// names are nobody's: two readers could disagree on which one counts.
func certified(c *x509.Certificate) (person, *fault.Error) {
	sum := sha256.Sum256(c.Raw)
	p := person{print: hex.EncodeToString(sum[:])}
	var names []string
	for _, u := range c.URIs {
		if u.Scheme == "trefoil" {
			name, ok := strings.CutPrefix(u.String(), loginURI)
			if !ok {
				return p, errNobody()
			}
			names = append(names, name)
		}
	}
	if names == nil {
		for _, n := range c.Subject.Names {
			if s, ok := n.Value.(string); ok && n.Type.String() == "2.5.4.3" { // X.520 commonName
				names = append(names, s)
			}
		}
	}
	if len(names) != 1 || names[0] == "" || strings.Contains(names[0], "~") {
		return p, errNobody()
	}
	p.login = names[0]
	return p, nil
}

func errNobody() *fault.Error {
	return fault.New(fault.BadLogin, "the client certificate does not name exactly one login").
		WithHint("it needs one URI SAN %sLOGIN, or the login as its one common name", loginURI)
}

// owns checks what the certificate says against the user as sent, LOGIN or LOGIN~GRANT.
func (g *Gate) owns(h *hello, user string) (person, *fault.Error) {
	if g.cfg.ClientAuth == CertIgnored {
		return person{}, nil
	}
	shown := h.client.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		if g.cfg.ClientAuth == CertRequired {
			return person{}, fault.New(fault.BadLogin, "this gate asks for a client certificate").
				WithHint("connect with sslcert=FILE sslkey=FILE")
		}
		return person{}, nil
	}
	p, why := certified(shown[0])
	if why != nil {
		return person{}, why
	}
	if login, _, _ := strings.Cut(user, "~"); login != p.login {
		return person{}, fault.New(fault.BadLogin, "the client certificate is of another login than the connection asks for").
			WithHint("connect with user=%s or user=%s~GRANT, or show another certificate", p.login, p.login)
	}
	return p, nil
}
