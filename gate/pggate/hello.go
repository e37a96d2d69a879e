package pggate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// alpn is PostgreSQL's protocol name in TLS, required for direct TLS.
const alpn = "postgresql"

// tlsHandshake is the first byte of a TLS ClientHello's record; as the first byte
// of a startup packet's length it would be 352 MiB.
const tlsHandshake = 0x16

// hello is how a connection introduced itself.
type hello struct {
	wire    *wireConn
	client  *tls.Conn
	startup []byte // the packet without its length
	cancel  []byte // a CancelRequest's body after the code, instead

	version uint32 // the protocol agreed on
}

// greet reads up to the startup packet, over TLS always. It reads exactly as many
// bytes as each request has, never more: what a client, or somebody in between,
// sends on top of an SSLRequest can only ever be read as TLS (CVE-2021-23222).
func (g *Gate) greet(raw net.Conn) (*hello, *fault.Error, error) {
	var b [8]byte
	gss := false
	for {
		if _, err := io.ReadFull(raw, b[:]); err != nil {
			return nil, nil, err
		}
		if b[0] == tlsHandshake {
			h, err := g.secure(raw, b[:], true)
			return h, nil, err
		}
		size, code := binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint32(b[4:])
		switch {
		case size == 8 && code == codeGSS && !gss:
			gss = true
			if _, err := raw.Write([]byte{'N'}); err != nil {
				return nil, nil, err
			}
		case size == 8 && code == codeTLS:
			if _, err := raw.Write([]byte{'S'}); err != nil {
				return nil, nil, err
			}
			h, err := g.secure(raw, nil, false)
			return h, nil, err
		case isCancel(size, code):
			// libpq before 17 sends it in plaintext, also for TLS connections.
			h := &hello{cancel: make([]byte, size-8)}
			_, err := io.ReadFull(raw, h.cancel)
			return h, nil, err
		case code>>16 == 3 && size <= maxStartup:
			return nil, fault.New(fault.Protocol, "connections without TLS are not served").
				WithHint("connect with sslmode=verify-full sslrootcert=FILE, or at least sslmode=require"), errNoTLS
		default:
			return nil, fault.New(fault.Protocol, "this is no PostgreSQL startup packet"), errNoTLS
		}
	}
}

// errNoTLS goes with a fault that is answered in plaintext.
var errNoTLS = fault.New(fault.Protocol, "no TLS")

// secure completes TLS and reads the packet inside it.
func (g *Gate) secure(raw net.Conn, prefix []byte, direct bool) (*hello, error) {
	h := &hello{wire: &wireConn{Conn: raw, pool: &g.gather, inbox: &g.inbox, in: bytes.Clone(prefix)}}
	h.client = tls.Server(h.wire, g.tls)
	ctx, cancel := context.WithTimeout(g.ctx, g.cfg.HandshakeTimeout)
	defer cancel()
	if err := h.client.HandshakeContext(ctx); err != nil {
		return nil, tlsError{err}
	}
	if direct && h.client.ConnectionState().NegotiatedProtocol != alpn {
		// Without ALPN a browser's request could be made to look like ours.
		return nil, tlsError{fault.New(fault.Protocol, "direct TLS without ALPN %q", alpn)}
	}
	var b [8]byte
	if _, err := io.ReadFull(h.client, b[:]); err != nil {
		return nil, err
	}
	size, code := binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint32(b[4:])
	switch {
	case isCancel(size, code):
		h.cancel = make([]byte, size-8)
		_, err := io.ReadFull(h.client, h.cancel)
		return h, err
	case size < 9 || size > maxStartup || code == codeTLS || code == codeGSS:
		return h, fault.New(fault.Protocol, "this is no startup packet of 9 to %d bytes", maxStartup)
	}
	h.startup = make([]byte, size-4)
	copy(h.startup, b[4:])
	_, err := io.ReadFull(h.client, h.startup[4:])
	return h, err
}

// isCancel recognises a CancelRequest: a process id and a key of 4 to 256 bytes.
func isCancel(size, code uint32) bool {
	return code == codeCancel && size >= 12+shortKey && size <= 12+256
}

// tlsError marks a failed handshake, after which nothing can be said to the client.
type tlsError struct{ error }

func (e tlsError) Unwrap() error { return e.error }
