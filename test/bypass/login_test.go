package bypass

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Authentication codes of the protocol.
const (
	authOK           = 0
	authCleartext    = 3
	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12
)

// login sends a startup packet of these pairs and authenticates. Whatever comes
// up to the first ReadyForQuery is in hello; over is set when there is none.
func (c *client) login(password string, pairs ...string) {
	c.tb.Helper()
	c.write(startupPacket(protocol3, pairs...))
	const bare = "n=,r=YnlwYXNzIHN1aXRl" // RFC 5802: no user name, PostgreSQL takes the packet's
	first := ""
	for !c.over {
		m, ok := c.next()
		if !ok {
			return
		}
		c.hello = append(c.hello, m)
		switch m.kind {
		case 'Z':
			return
		case 'K':
			c.key = m.body
		case 'R':
			text := string(m.body[4:])
			switch binary.BigEndian.Uint32(m.body) {
			case authOK, authSASLFinal:
			case authCleartext:
				c.send(&pgproto3.PasswordMessage{Password: password})
			case authSASL:
				c.send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,," + bare)})
			case authSASLContinue:
				first = text
				c.send(&pgproto3.SASLResponse{Data: []byte(proof(password, bare, first))})
			default:
				c.tb.Fatalf("authentication %x", m.body)
			}
		}
	}
}

// proof is the client's final message of SCRAM-SHA-256 (RFC 5802, RFC 7677).
func proof(password, bare, first string) string {
	attr := map[byte]string{}
	for _, a := range strings.Split(first, ",") {
		if len(a) > 2 {
			attr[a[0]] = a[2:]
		}
	}
	salt, _ := base64.StdEncoding.DecodeString(attr['s'])
	rounds, _ := strconv.Atoi(attr['i'])
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return ""
	}
	final := "c=biws,r=" + attr['r']
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	for i, b := range mac(stored[:], bare+","+first+","+final) {
		key[i] ^= b
	}
	return final + ",p=" + base64.StdEncoding.EncodeToString(key)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
