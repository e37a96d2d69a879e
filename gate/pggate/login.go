package pggate

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// serve takes one connection from accept to its end.
func (g *Gate) serve(raw net.Conn, from netip.AddrPort) {
	defer func() { _ = raw.Close() }()
	defer g.known(raw, from)
	_ = raw.SetDeadline(time.Now().Add(g.cfg.HandshakeTimeout))

	h, plain, err := g.greet(raw)
	switch {
	case plain != nil:
		_, _ = raw.Write(appendFault(nil, severityFatal, plain))
		g.desk.Stranger(from, StrangerProtocol)
		return
	case err == nil && h.cancel != nil:
		g.cancelRequest(h.cancel)
		return
	case err != nil:
		g.reject(h, from, err)
		return
	}
	login, why := g.authenticate(h, from)
	if why != nil {
		g.reject(h, from, why)
		return
	}
	if why := g.open(raw, h, login); why != nil {
		g.tell(h, fault.Public(why))
	}
}

// reject ends a connection that has not authenticated: told why where it can be,
// and counted.
func (g *Gate) reject(h *hello, from netip.AddrPort, err error) {
	reason := StrangerLeft
	var f *fault.Error
	var t tlsError
	var n net.Error
	switch {
	case errors.As(err, &t):
		reason = StrangerTLS
	case errors.As(err, &f):
		reason = StrangerProtocol
		if f.Kind == fault.BadLogin {
			reason = StrangerBadLogin
		}
		g.tell(h, f)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &n) && n.Timeout():
		reason = StrangerTimeout
	}
	g.desk.Stranger(from, reason)
}

// tell sends a FATAL error over TLS and says goodbye.
func (g *Gate) tell(h *hello, f *fault.Error) {
	if h == nil || h.client == nil {
		return
	}
	_ = h.wire.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = h.client.Write(appendFault(nil, severityFatal, f))
	_ = h.client.Close()
}

// authenticate parses the startup packet and verifies the client, with SCRAM unless
// its certificate suffices.
func (g *Gate) authenticate(h *hello, from netip.AddrPort) (Login, error) {
	s, why := parseStartup(h.startup)
	if why != nil {
		return Login{}, why
	}
	who, why := g.owns(h, s.user)
	if why != nil {
		return Login{}, why
	}
	login := Login{
		User: s.user, Database: s.database, Remote: from, Certificate: who.print,
		ApplicationName: s.applicationName, Options: s.settings, TLS: h.client.ConnectionState(),
	}
	var b []byte
	if s.negotiate {
		b = negotiateMessage(b, s.version, s.unknown)
	}
	h.version = s.version
	if g.cfg.ClientAuth == CertSufficient && who.login != "" {
		_, err := h.client.Write(b)
		return login, err
	}
	bind := newChannel(h.wire.shown, login.TLS)
	var mechanisms []byte
	if bind.offered() {
		mechanisms = append(append(mechanisms, scramPlus...), 0)
	}
	mechanisms = append(append(mechanisms, scramMechanism...), 0, 0)
	if _, err := h.client.Write(authMessage(b, 10, mechanisms)); err != nil {
		return Login{}, err
	}
	x := newScram(g.desk.Lookup(s.user, s.database), bind)
	msg, err := readPassword(h.client)
	if err != nil {
		return Login{}, err
	}
	mechanism, initial, ok := saslInitial(msg)
	if !ok {
		return Login{}, badScram("SASLInitialResponse")
	}
	reply, why := x.first(mechanism, initial)
	if why != nil {
		return Login{}, why
	}
	if _, err := h.client.Write(authMessage(b[:0], 11, reply)); err != nil {
		return Login{}, err
	}
	if msg, err = readPassword(h.client); err != nil {
		return Login{}, err
	}
	reply, candidate, why := x.final(msg)
	if why != nil {
		return Login{}, why
	}
	if _, err := h.client.Write(authMessage(b[:0], 12, reply)); err != nil {
		return Login{}, err
	}
	login.Grant = x.creds.Candidates[candidate].Grant
	return login, nil
}

// maxPassword is PostgreSQL's limit for SASL messages (PG_MAX_SASL_MESSAGE_LENGTH).
const maxPassword = 1024

// readPassword reads one message of type 'p', and nothing after it.
func readPassword(r io.Reader) ([]byte, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, err
	}
	kind, size := header(h[:])
	if kind != msgPassword {
		return nil, fault.New(fault.Protocol, "expected a SASL response, got message %q", kind)
	}
	if size < headerSize || size > headerSize+maxPassword {
		return nil, fault.New(fault.Protocol, "SASL response of impossible length")
	}
	b := make([]byte, size-headerSize)
	_, err := io.ReadFull(r, b)
	return b, err
}

// saslInitial takes a SASLInitialResponse apart: mechanism, length, data.
func saslInitial(b []byte) (mechanism string, data []byte, ok bool) {
	name, rest, ok := cut(b)
	if !ok {
		return "", nil, false
	}
	n, rest, ok := cut32(rest)
	return string(name), rest, ok && uint64(n) == uint64(len(rest))
}

// authMessage appends an Authentication message.
func authMessage(b []byte, code uint32, data []byte) []byte {
	b, at := begin(b, msgAuthentication)
	b = binary.BigEndian.AppendUint32(b, code)
	return finish(append(b, data...), at)
}

// open lets a login become a session and relays until it ends. A nil error means
// that the client has been told whatever there was to tell.
func (g *Gate) open(raw net.Conn, h *hello, login Login) error {
	g.known(raw, login.Remote)
	g.mu.Lock()
	if g.stopping || g.opening >= g.cfg.MaxSessions {
		stopping := g.stopping
		g.mu.Unlock()
		if stopping {
			return errStopping()
		}
		return fault.New(fault.TooMany, "the gate serves %d sessions already", g.cfg.MaxSessions).WithHint("close one, or try again later")
	}
	g.opening++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.opening--
		g.mu.Unlock()
	}()

	ctx, cancel := context.WithTimeout(g.ctx, g.cfg.OpenTimeout)
	sess, err := g.desk.Open(ctx, login)
	cancel()
	if err != nil {
		return err
	}
	u := sess.Upstream()
	r := newRelay(g, sess, u, h)
	defer g.leave(r)
	if !g.enter(r) {
		r.end(errStopping())
	}
	r.allow(raw.SetDeadline, time.Now().Add(g.cfg.HandshakeTimeout))
	if _, err := h.client.Write(r.welcome(u.Parameters)); err != nil {
		r.end(nil)
	}
	r.allow(raw.SetDeadline, time.Time{})
	r.run()
	return nil
}

// welcome is everything between authentication and the first statement.
func (r *relay) welcome(parameters map[string]string) []byte {
	b := authMessage(nil, 0, nil)
	names := make([]string, 0, len(parameters))
	for name := range parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	var at int
	for _, name := range names {
		b, at = begin(b, msgParameterStatus)
		b = append(append(b, name...), 0)
		b = finish(append(append(b, parameters[name]...), 0), at)
	}
	b, at = begin(b, msgKeyData)
	b = binary.BigEndian.AppendUint32(b, r.pid)
	b = finish(append(b, r.key...), at)
	b, at = begin(b, msgReady)
	return finish(append(b, 'I'), at)
}
