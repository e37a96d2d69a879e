package pggate

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// channel is what a client's SCRAM proof can be bound to, so that it is worth
// nothing on any other TLS connection, also when somebody in between holds a
// certificate that the client trusts.
type channel struct {
	endPoint []byte // tls-server-end-point (RFC 5929, section 4.1); nil: not defined for this certificate
	state    tls.ConnectionState
}

// newChannel takes the certificate of this very handshake: the one in the
// configuration may be another by now.
func newChannel(cert *tls.Certificate, state tls.ConnectionState) channel {
	return channel{endPoint: endPoint(cert), state: state}
}

// offered reports whether SCRAM-SHA-256-PLUS can be served. libpq and most others
// know tls-server-end-point alone and take PLUS whenever they see it.
func (c channel) offered() bool { return c.endPoint != nil }

// data is the binding of a name from a client's gs2 header; nil for names that are
// not served.
func (c channel) data(name string) []byte {
	switch name {
	case "tls-server-end-point":
		return c.endPoint
	case "tls-exporter": // RFC 9266
		if c.state.Version < tls.VersionTLS13 {
			return nil
		}
		key, err := c.state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			return nil
		}
		return key
	}
	return nil
}

// endPoint is the certificate's hash, by the hash of its own signature; SHA-256
// where that would be MD5 or SHA-1. A signature without a hash of its own (Ed25519)
// has none.
func endPoint(cert *tls.Certificate) []byte {
	if cert == nil || len(cert.Certificate) == 0 {
		return nil
	}
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil
		}
	}
	switch leaf.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS:
		sum := sha256.Sum256(leaf.Raw)
		return sum[:]
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		sum := sha512.Sum384(leaf.Raw)
		return sum[:]
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		sum := sha512.Sum512(leaf.Raw)
		return sum[:]
	}
	return nil
}

// serverTLS is the configuration of every handshake, made from the caller's.
func serverTLS(cfg Config) *tls.Config {
	t := cfg.TLS.Clone()
	t.NextProtos = []string{alpn}
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	t.DynamicRecordSizingDisabled = true // results are gathered into large writes anyway
	// A resumed connection shows no certificate: there would be nothing to bind to,
	// and a client certificate would be as old as the ticket. libpq never resumes.
	t.SessionTicketsDisabled = true
	if cfg.ClientAuth != CertIgnored {
		t.ClientAuth = tls.RequestClientCert // verifyPeer does the rest: roots may change
		t.VerifyConnection = verifyPeer(cfg.ClientCAs, t)
	}
	certs, get := t.Certificates, t.GetCertificate
	t.Certificates = nil
	t.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := choose(certs, get, h)
		if w, ok := h.Conn.(*wireConn); ok && err == nil {
			w.shown = cert
		}
		return cert, err
	}
	return t
}

// choose is crypto/tls's own rule for Certificates and GetCertificate.
func choose(certs []tls.Certificate, get func(*tls.ClientHelloInfo) (*tls.Certificate, error), h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if get != nil && (len(certs) == 0 || h.ServerName != "") {
		if cert, err := get(h); cert != nil || err != nil || len(certs) == 0 {
			return cert, err
		}
	}
	for i := range certs {
		if h.SupportsCertificate(&certs[i]) == nil {
			return &certs[i], nil
		}
	}
	return &certs[0], nil
}
