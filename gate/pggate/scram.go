package pggate

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// The SASL mechanisms. A client that could bind its proof to the channel but saw no
// PLUS on the list says "y,,": once PLUS is offered, that means that somebody took
// it off the list (RFC 5802, section 6).
const (
	scramMechanism = "SCRAM-SHA-256"
	scramPlus      = "SCRAM-SHA-256-PLUS"
)

// scram is the server's side of one exchange (RFC 5802, RFC 7677). It is given
// several candidates that share a salt: the proof shows which one was meant, so
// one login name can have several grants, each with a secret of its own.
type scram struct {
	creds       Credentials
	channel     channel
	nonce       []byte // client's and server's part
	gs2         []byte // "n,,", "y,," or "p=NAME,,"
	binding     []byte // the data that NAME stands for
	clientFirst []byte // without the gs2 header
	serverFirst []byte
}

// newScram draws the server's nonce. Credentials without salt or iterations, which
// would tell unknown names from known ones, are given the RFC's minimum.
func newScram(c Credentials, bind channel) *scram {
	if c.Iterations < 1 {
		c.Iterations = 4096
	}
	return &scram{creds: c, channel: bind}
}

// header reads the gs2 header, which must fit the mechanism; it gives the rest.
func (s *scram) header(mechanism string, msg []byte) ([]byte, *fault.Error) {
	end := bytes.Index(msg, []byte(",,"))
	if end < 0 {
		return nil, badScram("client-first-message must start with a channel binding flag and two commas")
	}
	flag := string(msg[:end])
	name, bound := strings.CutPrefix(flag, "p=")
	switch {
	case mechanism == scramPlus && s.channel.offered() && bound:
		if s.binding = s.channel.data(name); s.binding == nil {
			return nil, fault.New(fault.Protocol, "channel binding %q is not served", clip([]byte(name), 40)).
				WithHint("use tls-server-end-point, or tls-exporter over TLS 1.3")
		}
	case mechanism == scramMechanism && flag == "y" && s.channel.offered():
		return nil, fault.New(fault.BadLogin, "the client was told that this gate cannot bind channels, but it can: somebody in between may have changed that").
			WithHint("connect with channel_binding=require and sslmode=verify-full")
	case mechanism == scramMechanism && (flag == "n" || flag == "y"):
	default:
		return nil, badScram("mechanism and channel binding flag do not fit")
	}
	s.gs2 = bytes.Clone(msg[:end+2])
	return msg[end+2:], nil
}

// first takes client-first-message and gives server-first-message. The user name
// inside is ignored, as PostgreSQL does: the startup packet's counts.
func (s *scram) first(mechanism string, msg []byte) ([]byte, *fault.Error) {
	bare, why := s.header(mechanism, msg)
	if why != nil {
		return nil, why
	}
	user, rest, ok := bytes.Cut(bare, []byte(","))
	if !ok || !bytes.HasPrefix(user, []byte("n=")) {
		return nil, badScram("client-first-message lacks a user name")
	}
	nonce, _, _ := bytes.Cut(rest, []byte(","))
	nonce, ok = bytes.CutPrefix(nonce, []byte("r="))
	if !ok || len(nonce) < 8 || len(nonce) > 256 || !printable(nonce) {
		return nil, badScram("client-first-message lacks a usable nonce")
	}
	var own [18]byte
	_, _ = rand.Read(own[:]) // crypto/rand never fails: it ends the process instead
	s.clientFirst = bytes.Clone(bare)
	s.nonce = base64.StdEncoding.AppendEncode(bytes.Clone(nonce), own[:])
	b := append([]byte("r="), s.nonce...)
	b = append(b, ",s="...)
	b = base64.StdEncoding.AppendEncode(b, s.creds.Salt)
	b = append(b, ",i="...)
	s.serverFirst = strconv.AppendInt(b, int64(s.creds.Iterations), 10)
	return s.serverFirst, nil
}

// final takes client-final-message; it gives server-final-message and the index of
// the candidate whose proof it was. Every candidate is tried, also after a match,
// and one that cannot match when there is none, so that the work is much the same.
func (s *scram) final(msg []byte) (reply []byte, candidate int, err *fault.Error) {
	binding, rest, ok := bytes.Cut(msg, []byte(","))
	bound := subtle.ConstantTimeCompare(binding, base64.StdEncoding.AppendEncode([]byte("c="), append(s.gs2, s.binding...)))
	if !ok || bound != 1 && s.binding == nil {
		return nil, 0, badScram("channel binding data do not match the first message")
	}
	nonce, _, _ := bytes.Cut(rest, []byte(","))
	nonce, ok = bytes.CutPrefix(nonce, []byte("r="))
	if !ok || subtle.ConstantTimeCompare(nonce, s.nonce) != 1 {
		return nil, 0, badScram("nonce does not match")
	}
	at := bytes.LastIndex(msg, []byte(",p="))
	if at < len(binding)+1+len("r=")+len(nonce) {
		return nil, 0, badScram("client-final-message lacks a proof")
	}
	var proof [64]byte
	n, decErr := base64.StdEncoding.Decode(proof[:], clip(msg[at+3:], base64.StdEncoding.EncodedLen(sha256.Size)))
	if decErr != nil || n != sha256.Size {
		return nil, 0, badScram("proof is not 32 bytes of base64")
	}
	auth := bytes.Join([][]byte{s.clientFirst, s.serverFirst, msg[:at]}, []byte(","))

	found, candidate := 0, 0
	var serverKey [32]byte
	for i, c := range s.creds.Candidates {
		hit := proves(c.StoredKey, auth, proof[:sha256.Size])
		candidate = subtle.ConstantTimeSelect(hit, i, candidate)
		subtle.ConstantTimeCopy(hit, serverKey[:], c.ServerKey[:])
		found |= hit
	}
	if len(s.creds.Candidates) == 0 {
		proves([32]byte{}, auth, proof[:sha256.Size])
	}
	if found&bound != 1 {
		return nil, 0, errBadLogin()
	}
	reply = base64.StdEncoding.AppendEncode([]byte("v="), mac(serverKey[:], auth))
	return reply, candidate, nil
}

// proves is 1 when proof is ClientKey XOR HMAC(StoredKey, auth) and StoredKey is
// SHA-256(ClientKey).
func proves(stored [32]byte, auth, proof []byte) int {
	key := mac(stored[:], auth)
	subtle.XORBytes(key, key, proof)
	sum := sha256.Sum256(key)
	return subtle.ConstantTimeCompare(sum[:], stored[:])
}

func mac(key, msg []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(msg)
	return h.Sum(nil)
}

// printable reports whether b is RFC 5802 "printable": ASCII without comma.
func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x21 || c > 0x7e || c == ',' {
			return false
		}
	}
	return true
}

// clip keeps one byte more than n, enough to see that b was too long.
func clip(b []byte, n int) []byte {
	if len(b) > n {
		return b[:n+1]
	}
	return b
}

func badScram(what string) *fault.Error {
	return fault.New(fault.Protocol, "malformed SCRAM message: %s", what)
}

// errBadLogin is the one answer to every failed authentication: whether the name,
// the dataset, the grant or the secret was wrong is nobody's business.
func errBadLogin() *fault.Error {
	return fault.New(fault.BadLogin, "authentication failed").
		WithHint("connect with user=LOGIN or user=LOGIN~GRANT, dbname=DATASET or dbname=DATASET.SITE and the secret of that grant as password; `trefoil access list` shows your grants")
}
