package bypass

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// patience bounds one connection of a test, so that a gate that hangs fails it.
const patience = 30 * time.Second

// message is one message of the server.
type message struct {
	kind byte
	body []byte
}

// field is one field of an ErrorResponse or NoticeResponse, such as 'C', its SQLSTATE.
func (m message) field(code byte) string {
	for _, f := range strings.Split(string(m.body), "\x00") {
		if f != "" && f[0] == code {
			return f[1:]
		}
	}
	return ""
}

// answer is what came back for one or several messages.
type answer []message

// rows counts DataRow and CopyData messages.
func (a answer) rows() (n int) {
	for _, m := range a {
		if m.kind == 'D' || m.kind == 'd' {
			n++
		}
	}
	return n
}

// state is the SQLSTATE of the first error, "" if there is none.
func (a answer) state() string {
	for _, m := range a {
		if m.kind == 'E' {
			return m.field('C')
		}
	}
	return ""
}

func (a answer) has(kind byte) bool {
	for _, m := range a {
		if m.kind == kind {
			return true
		}
	}
	return false
}

func (a answer) contains(text string) bool {
	for _, m := range a {
		if bytes.Contains(m.body, []byte(text)) {
			return true
		}
	}
	return false
}

// tap counts the bytes that have been read off a socket.
type tap struct {
	*net.TCPConn
	read int
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.TCPConn.Read(b)
	t.read += n
	return n, err
}

// client speaks the protocol by hand, so that it can say what no driver would.
type client struct {
	tb     testing.TB
	tap    *tap
	conn   net.Conn // with TLS where the target has it
	in     *bufio.Reader
	hello  answer // everything up to the first ReadyForQuery
	key    []byte // body of BackendKeyData: process id and secret
	seen   bytes.Buffer
	states []string // SQLSTATEs seen
	over   bool     // refused, or the other side has closed
}

// dial connects, with TLS where config is given, and sends nothing yet.
func dial(tb testing.TB, addr, from string, config *tls.Config) *client {
	tb.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	raw, err := d.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(patience))
	c := &client{tb: tb, tap: &tap{TCPConn: raw.(*net.TCPConn)}}
	c.conn = c.tap
	if config != nil {
		var sign [1]byte
		c.write(startupPacket(codeTLS))
		if _, err := io.ReadFull(c.conn, sign[:]); err != nil || sign[0] != 'S' {
			tb.Fatalf("TLS is not spoken: %q, %v", sign, err)
		}
		secure := tls.Client(c.tap, config)
		if err := secure.Handshake(); err != nil {
			tb.Fatal(err)
		}
		c.conn = secure
	}
	c.in = bufio.NewReaderSize(c.conn, 64<<10)
	return c
}

const (
	protocol3  = 3 << 16
	codeTLS    = 1234<<16 | 5679
	codeCancel = 1234<<16 | 5678
)

// startupPacket is a code and, for a version, pairs of name and value as given:
// twice, empty or in any order.
func startupPacket(code uint32, pairs ...string) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), code)
	for _, s := range pairs {
		b = append(append(b, s...), 0)
	}
	if code == protocol3 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// write sends bytes in one system call. Errors show when the answer is read.
func (c *client) write(b []byte) {
	if _, err := c.conn.Write(b); err != nil {
		c.over = true
	}
}

// send sends messages in one write.
func (c *client) send(messages ...pgproto3.FrontendMessage) {
	c.tb.Helper()
	var b []byte
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			c.tb.Fatal(err)
		}
	}
	if !c.over {
		c.write(b)
	}
}

// next reads one message; false at the end of the connection, however it came.
func (c *client) next() (message, bool) {
	c.tb.Helper()
	var head [5]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return c.ended(err)
	}
	m := message{kind: head[0], body: make([]byte, binary.BigEndian.Uint32(head[1:])-4)}
	if _, err := io.ReadFull(c.in, m.body); err != nil {
		return c.ended(err)
	}
	c.seen.Write(m.body)
	if m.kind == 'E' {
		c.states = append(c.states, m.field('C'))
	}
	return m, true
}

func (c *client) ended(err error) (message, bool) {
	c.tb.Helper()
	c.over = true
	if e, ok := err.(net.Error); ok && e.Timeout() {
		c.tb.Fatal("no answer in time, and the connection is still open")
	}
	return message{}, false
}

// until reads up to the nth ReadyForQuery or the end of the connection.
func (c *client) until(n int) (a answer) {
	c.tb.Helper()
	for n > 0 && !c.over {
		m, ok := c.next()
		if !ok {
			break
		}
		a = append(a, m)
		if m.kind == 'Z' {
			n--
		}
	}
	return a
}

// query runs one Query message.
func (c *client) query(sql string) answer {
	c.tb.Helper()
	c.send(&pgproto3.Query{String: sql})
	return c.until(1)
}

// race sends Query messages in one write, before any of them can be answered.
func (c *client) race(sql ...string) answer {
	c.tb.Helper()
	var all []pgproto3.FrontendMessage
	for _, s := range sql {
		all = append(all, &pgproto3.Query{String: s})
	}
	c.send(all...)
	return c.until(len(sql))
}

// extended is one statement of the extended protocol, without its Sync.
func extended(sql string, format int16, rows uint32) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Query: sql}, &pgproto3.Bind{ResultFormatCodes: []int16{format}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{MaxRows: rows},
	}
}

// leave says goodbye and waits until the other side has closed.
func (c *client) leave() {
	c.send(&pgproto3.Terminate{})
	for !c.over {
		c.next()
	}
}
