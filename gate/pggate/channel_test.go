package pggate

import (
	"context"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// sasl logs anna in by hand: the mechanism, gs2 header and binding data are the
// test's. It gives the answer to the final message, or the error before that.
func sasl(tb testing.TB, c *tls.Conn, mechanism, gs2 string, binding []byte) (kind byte, body string) {
	tb.Helper()
	write := func(b []byte) {
		if _, err := c.Write(b); err != nil {
			tb.Fatal(err)
		}
	}
	write(packet(protocol30, "user", "anna", "database", "clips"))
	r := &raw{tb: tb, conn: c}
	if kind, body = r.next(); kind != 'R' {
		return kind, body
	}
	bare := "n=,r=" + base64.StdEncoding.EncodeToString(randomBytes(18))
	first := append([]byte(mechanism), 0)
	first = binary.BigEndian.AppendUint32(first, uint32(len(gs2+bare)))
	write(msg(msgPassword, string(first)+gs2+bare))
	if kind, body = r.next(); kind != 'R' {
		return kind, body
	}
	server := body[4:]
	fields := strings.Split(server, ",")
	salt, _ := base64.StdEncoding.DecodeString(fields[1][2:])
	rounds, _ := strconv.Atoi(fields[2][2:])
	salted, err := pbkdf2.Key(sha256.New, testSecret, salt, rounds, 32)
	if err != nil {
		tb.Fatal(err)
	}
	client := mac(salted, []byte("Client Key"))
	stored := sha256.Sum256(client)
	final := "c=" + base64.StdEncoding.EncodeToString(append([]byte(gs2), binding...)) + "," + fields[0]
	for i, b := range mac(stored[:], []byte(bare+","+server+","+final)) {
		client[i] ^= b
	}
	write(msg(msgPassword, final+",p="+base64.StdEncoding.EncodeToString(client)))
	return r.next()
}

func TestClientsBindTheirChannel(t *testing.T) {
	w := newWorld(t)
	w.connect("&channel_binding=require")
	out, errs, err := w.psql("", "-d", "dbname=clips channel_binding=require", "-A", "-t", "-c", "select 1")
	if err != nil || out != "1\n" {
		t.Error(out, errs, err)
	}
	w.connect("&channel_binding=disable")
}

func TestBindings(t *testing.T) {
	w := newWorld(t)
	ok, refused := "R \x00\x00\x00\x0c", "E SFATAL"
	for name, c := range map[string]struct {
		mechanism, gs2 string
		binding        func(tls.ConnectionState) []byte
		want           []string
	}{
		"end point":         {scramPlus, "p=tls-server-end-point,,", func(s tls.ConnectionState) []byte { h := sha256.Sum256(s.PeerCertificates[0].Raw); return h[:] }, []string{ok}},
		"exporter":          {scramPlus, "p=tls-exporter,,", exporter, []string{ok}},
		"wrong":             {scramPlus, "p=tls-server-end-point,,", exporter, []string{refused, "C28P01", "Mauthentication failed\x00"}},
		"wrong exporter":    {scramPlus, "p=tls-exporter,,", func(tls.ConnectionState) []byte { return make([]byte, 32) }, []string{refused, "C28P01", "Mauthentication failed\x00"}},
		"empty":             {scramPlus, "p=tls-exporter,,", nothing, []string{refused, "C28P01", "Mauthentication failed\x00"}},
		"unknown":           {scramPlus, "p=tls-unique,,", nothing, []string{refused, "tls-unique", "tls-server-end-point"}},
		"downgrade":         {scramMechanism, "y,,", nothing, []string{refused, "C28P01", "somebody in between", "channel_binding=require"}},
		"none":              {scramMechanism, "n,,", nothing, []string{ok}},
		"PLUS without":      {scramPlus, "n,,", nothing, []string{refused, "C08P01"}},
		"binding sans PLUS": {scramMechanism, "p=tls-exporter,,", exporter, []string{refused, "C08P01"}},
		"authzid":           {scramMechanism, "n,a=eve,", nothing, []string{refused, "C08P01"}},
	} {
		t.Run(name, func(t *testing.T) {
			tc, err := w.secured(false)
			if err != nil {
				t.Fatal(err)
			}
			kind, body := sasl(t, tc, c.mechanism, c.gs2, c.binding(tc.ConnectionState()))
			contains(t, string(kind)+" "+body, c.want...)
		})
	}
}

func nothing(tls.ConnectionState) []byte { return nil }

func exporter(s tls.ConnectionState) []byte {
	b, _ := s.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	return b
}

// Somebody in between whom the client's TLS trusts passes everything on unchanged.
func TestSomebodyInBetweenCannotLogIn(t *testing.T) {
	w := newWorld(t)
	cert, _ := certificate(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		raw, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = raw.Close() }()
		_, _ = io.CopyN(io.Discard, raw, 8)
		_, _ = raw.Write([]byte("S"))
		victim := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}})
		gate, err := w.secured(false)
		if err != nil || victim.Handshake() != nil {
			return
		}
		go func() { _, _ = io.Copy(gate, victim) }()
		_, _ = io.Copy(victim, gate)
	}()
	_, err = pgx.Connect(context.Background(), "postgres://anna:"+testSecret+"@"+ln.Addr().String()+"/clips?sslmode=require&channel_binding=require")
	equal(t, "error", state(err), "28P01")
	equal(t, "opened", len(w.desk.logins), 0)
}

// The certificate may be replaced between a client's handshake and its proof.
func TestTheCertificateOfTheHandshakeCounts(t *testing.T) {
	old, ca := certificate(t)
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(&old)
	w := newWorld(t, func(c *Config) {
		c.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }}
	})
	w.roots.AppendCertsFromPEM(ca)
	c, err := w.secured(false)
	if err != nil {
		t.Fatal(err)
	}
	next, _ := certificate(t)
	shown.Store(&next)
	sum := sha256.Sum256(old.Certificate[0])
	kind, body := sasl(t, c, scramPlus, "p=tls-server-end-point,,", sum[:])
	contains(t, string(kind)+" "+body, "R \x00\x00\x00\x0c")
}

func TestCertificatesWithoutABindingOfferNone(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	})
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	w.roots.AddCert(leaf)
	c, err := w.secured(false)
	if err != nil {
		t.Fatal(err)
	}
	kind, body := sasl(t, c, scramMechanism, "y,,", nil) // honest: no PLUS was on the list
	contains(t, string(kind)+" "+body, "R \x00\x00\x00\x0c")
}
