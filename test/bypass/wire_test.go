package bypass

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// wire is about the first bytes of a connection and about lengths: row 24.
func wire() []attack {
	return []attack{
		{name: "24-gss-encryption", run: gssEncryption, refused: "silently"},
		{name: "24-bytes-before-tls", run: bytesBeforeTLS},
		{name: "24-oversize-startup", run: oversizeStartup, refused: "silently"},
		{name: "24-oversize-message", run: oversizeMessage},
	}
}

const codeGSS = 1234<<16 | 5680

// gssEncryption asks for encryption of a second kind, under which the gateway would
// have another way in: before TLS, twice, and inside it.
func gssEncryption(t *target) (found []string) {
	for _, twice := range []bool{false, true} {
		c := dial(t.tb, t.addr, t.from, nil)
		c.write(startupPacket(codeGSS))
		var sign [1]byte
		if _, err := io.ReadFull(c.in, sign[:]); err != nil || sign[0] != 'N' {
			found = append(found, "GSS encryption was agreed to")
		}
		if twice {
			c.write(startupPacket(codeGSS))
		}
		c.write(startupPacket(codeTLS))
		if _, err := io.ReadFull(c.in, sign[:]); err == nil && sign[0] == 'G' {
			found = append(found, "GSS encryption was agreed to")
		}
	}
	c := dial(t.tb, t.addr, t.from, t.insecure())
	c.write(startupPacket(codeGSS))
	if b, err := c.in.ReadByte(); err == nil && b == 'G' {
		found = append(found, "GSS encryption was agreed to inside TLS")
	}
	return found
}

// insecure is TLS also with those who offer a certificate nobody knows.
func (t *target) insecure() *tls.Config {
	if t.tls != nil {
		return t.tls
	}
	return &tls.Config{InsecureSkipVerify: true}
}

// bytesBeforeTLS is somebody in the middle who adds bytes in the clear behind the
// request for TLS: what they say must not be taken for what the client says inside.
func bytesBeforeTLS(t *target) []string {
	c := dial(t.tb, t.addr, t.from, nil)
	c.write(append(startupPacket(codeTLS), startupPacket(protocol3, "user", t.user, "database", t.database)...))
	var sign [1]byte
	if _, err := io.ReadFull(c.tap, sign[:]); err != nil || sign[0] != 'S' {
		return nil
	}
	secure := tls.Client(c.tap, t.insecure())
	if secure.Handshake() != nil {
		return nil
	}
	secure.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1)
	if _, err := secure.Read(b); err == nil && b[0] == 'R' {
		return []string{"a startup packet from before TLS was obeyed"}
	}
	return nil
}

// oversizeStartup announces more than a startup packet can have.
func oversizeStartup(t *target) (found []string) {
	for _, size := range []uint32{10_001, 1 << 24, 1<<31 - 1, 1<<32 - 1, 7, 0} {
		c := dial(t.tb, t.addr, t.from, t.tls)
		c.write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, size), protocol3))
		if closed := hungUp(c.conn); !closed {
			found = append(found, "more was waited for, for a startup packet of an impossible length")
		}
	}
	return found
}

// hungUp tells whether the other side ends the connection although this side has
// not finished.
func hungUp(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, c)
	e, slow := err.(net.Error)
	return !slow || !e.Timeout()
}

// oversizeMessage announces a statement of half a gigabyte, and sends a little of it:
// whoever does not refuse at once keeps memory for it.
func oversizeMessage(t *target) []string {
	c := t.connect()
	b := binary.BigEndian.AppendUint32([]byte{'Q'}, 512<<20)
	c.write(append(b, bytes.Repeat([]byte(" "), 64<<10)...))
	if tcp, ok := c.conn.(interface{ CloseWrite() error }); ok {
		tcp.CloseWrite()
	}
	if a := c.until(1); a.state() == "54000" || a.state() == "08P01" {
		return nil
	}
	return []string{"half a gigabyte was waited for"}
}

// limits is about settings that an operator relies on and a client can change: row 25.
func limits() []attack {
	return []attack{
		{name: "25-read-only", run: readOnly},
		{name: "25-statement-timeout", run: statementTimeout},
	}
}

// readOnly takes back the read-only default of its role.
func readOnly(t *target) (found []string) {
	t.limit(time.Hour)
	update := "UPDATE users SET country = country"
	for _, before := range []string{"SET default_transaction_read_only = off", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "BEGIN READ WRITE",
		"SELECT set_config('default_transaction_read_only', 'off', false)"} {
		c := t.connect()
		t.permit()
		if c.query(update).state() == "" {
			t.tb.Fatal("the role may write without any attack")
		}
		c.query(before)
		if c.query(update).state() == "" {
			found = append(found, "a change of the store, after: "+before)
		}
		c.query("ROLLBACK")
	}
	if c := t.with("default_transaction_read_only", "off"); !c.over && c.query(update).state() == "" {
		found = append(found, "a change of the store, by a startup parameter")
	}
	return found
}

// statementTimeout takes back the time limit of its role.
func statementTimeout(t *target) (found []string) {
	t.limit(500 * time.Millisecond)
	for _, before := range []string{"SET statement_timeout = 0", "SELECT set_config('statement_timeout', '0', false)"} {
		c := t.connect()
		t.permit()
		c.query(before)
		c.send(append(extended("SELECT id, pg_sleep(4) FROM users LIMIT 1", 0, 0), &pgproto3.Sync{})...)
		if c.until(1).rows() > 0 {
			found = append(found, "a statement beyond its time limit, after: "+before)
		}
	}
	return found
}
