package leak

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// patience is how long a session may stay silent; statement_timeout is shorter.
const patience = 30 * time.Second

const timeout = "SET statement_timeout = 2000"

// session is one connection, of which every byte counts.
type session struct {
	conn net.Conn
	r    *bufio.Reader
}

// dial logs in and takes the bytes over from the driver.
func dial(cfg *pgconn.Config) (*session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := c.Exec(ctx, timeout).ReadAll(); err != nil {
		return nil, err
	}
	h, err := c.Hijack()
	if err != nil {
		return nil, err
	}
	return &session{conn: h.Conn, r: bufio.NewReaderSize(h.Conn, 1<<16)}, nil
}

// step is what a client sends before it waits for ReadyForQuery.
type step struct {
	sql       string
	unordered bool // has no ORDER BY, so its rows may come in any order
	planned   bool // plans may differ, and with them which row fails first, or whether one does
	extended  bool
	binary    bool
	types     []uint32 // of the parameters, 0 for unknown
	params    []string
	must      bool     // the rest of the script makes no sense without it
	fetch     []uint32 // rows asked for by one Execute after the other; none: all
}

func (s step) String() string {
	if !s.extended {
		return s.sql
	}
	return fmt.Sprintf("%s\n-- extended: parameters %q of types %d, rows %d, binary %t", s.sql, s.params, s.types, s.fetch, s.binary)
}

func (s step) messages() (out []byte) {
	add := func(m pgproto3.FrontendMessage) {
		var err error
		if out, err = m.Encode(out); err != nil {
			panic(err) // a message too long: the grammar writes none
		}
	}
	if !s.extended {
		add(&pgproto3.Query{String: s.sql})
		return out
	}
	bind := &pgproto3.Bind{}
	for _, p := range s.params {
		bind.Parameters = append(bind.Parameters, []byte(p))
	}
	if s.binary {
		bind.ResultFormatCodes = []int16{1}
	}
	add(&pgproto3.Parse{Query: s.sql, ParameterOIDs: s.types})
	add(&pgproto3.Describe{ObjectType: 'S'})
	add(bind)
	add(&pgproto3.Describe{ObjectType: 'P'})
	fetch := s.fetch
	if len(fetch) == 0 {
		fetch = []uint32{0}
	}
	for _, n := range fetch {
		add(&pgproto3.Execute{MaxRows: n})
	}
	add(&pgproto3.Sync{})
	return out
}

// reply is everything that came back, the last message being ReadyForQuery.
type reply struct {
	bytes  []byte
	rows   int
	state  string // SQLSTATE of the first error
	closed bool
}

func (s *session) send(st step) error {
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := s.conn.Write(st.messages())
	return err
}

func (s *session) receive() (r reply, err error) {
	for {
		var head [5]byte
		if _, err = io.ReadFull(s.r, head[:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				r.closed, err = true, nil
			}
			return r, err
		}
		at := len(r.bytes)
		n := int(binary.BigEndian.Uint32(head[1:])) + 1
		r.bytes = append(r.bytes, head[:]...)
		r.bytes = slices.Grow(r.bytes, n-5)[:at+n]
		if _, err = io.ReadFull(s.r, r.bytes[at+5:]); err != nil {
			return r, err
		}
		switch head[0] {
		case 'D', 'd':
			r.rows++
		case 'E':
			if r.state == "" {
				r.state = fields(r.bytes[at+5:])['C']
			}
		case 'Z':
			return r, nil
		}
	}
}

func (s *session) close() { _ = s.conn.Close() }

// fields reads an ErrorResponse or NoticeResponse.
func fields(body []byte) map[byte]string {
	out := map[byte]string{}
	for len(body) > 1 {
		text, rest, _ := strings.Cut(string(body[1:]), "\x00")
		out[body[0]] = text
		body = []byte(rest)
	}
	return out
}

// messages splits a reply.
func (r reply) messages() (out [][]byte) {
	for b := r.bytes; len(b) >= 5; {
		n := int(binary.BigEndian.Uint32(b[1:])) + 1
		out = append(out, b[:n])
		b = b[n:]
	}
	return out
}

// sorted is the reply with its rows in an order of their own: for statements that
// asked for none.
func (r reply) sorted() string {
	all := r.messages()
	var rows []string
	var rest []byte
	for _, m := range all {
		if m[0] == 'D' {
			rows = append(rows, string(m))
		} else {
			rest = append(rest, m...)
		}
	}
	slices.Sort(rows)
	return strings.Join(rows, "") + string(rest)
}

// difference shows the first message in which two replies differ.
func difference(a, b reply) string {
	x, y := a.messages(), b.messages()
	for i := range max(len(x), len(y)) {
		switch {
		case i >= len(x):
			return fmt.Sprintf("message %d: nothing, against %q", i, clip(y[i]))
		case i >= len(y):
			return fmt.Sprintf("message %d: %q, against nothing", i, clip(x[i]))
		case string(x[i]) != string(y[i]):
			return fmt.Sprintf("message %d:\n  %q\n  %q", i, clip(x[i]), clip(y[i]))
		}
	}
	return "one was closed and the other was not"
}

func clip(b []byte) []byte { return b[:min(len(b), 400)] }
