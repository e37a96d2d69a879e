package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// discard runs one query and throws the answer away unread, as fast as the other
// side can send: a client that decodes rows would measure itself. Rows are
// counted, so that a short answer is not taken for a fast one.
func discard(ctx context.Context, e endpoint, sql string, rows int) (s sample, err error) {
	pc, err := pgconn.Connect(ctx, e.dsn())
	if err != nil {
		return s, err
	}
	hijacked, err := pc.Hijack()
	if err != nil {
		return s, err
	}
	conn := hijacked.Conn
	defer conn.Close()
	query := append([]byte{'Q'}, binary.BigEndian.AppendUint32(nil, uint32(len(sql)+5))...)
	began := time.Now()
	if _, err := conn.Write(append(append(query, sql...), 0)); err != nil {
		return s, err
	}
	var (
		c     counter
		buf   = make([]byte, 256<<10)
		total int
	)
	for !c.ready {
		n, err := conn.Read(buf)
		if total += n; n > 0 {
			if err := c.feed(buf[:n]); err != nil {
				return s, err
			}
		}
		if err == io.EOF {
			return s, fmt.Errorf("the connection ended after %d bytes", total)
		}
		if err != nil {
			return s, err
		}
	}
	took := time.Since(began).Seconds()
	if c.rows != rows {
		return s, fmt.Errorf("%d rows came, want %d", c.rows, rows)
	}
	return sample{rate: float64(total) / took}, nil
}

// counter walks message headers (type, length) across reads.
type counter struct {
	head  []byte // of a message that is not whole yet, up to 5 bytes
	skip  int    // of the current message's body
	rows  int
	last  bool // the current message is ReadyForQuery
	ready bool
}

func (c *counter) feed(b []byte) error {
	for len(b) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			c.skip, b = c.skip-n, b[n:]
			c.ready = c.last && c.skip == 0
			continue
		}
		n := min(5-len(c.head), len(b))
		c.head, b = append(c.head, b[:n]...), b[n:]
		if len(c.head) < 5 {
			return nil
		}
		switch c.head[0] {
		case 'D', 'd': // a row, also of COPY in text format
			c.rows++
		case 'E':
			return fmt.Errorf("the server answers with an error: %.200q", b)
		case 'Z':
			c.last = true
		}
		c.skip = int(binary.BigEndian.Uint32(c.head[1:])) - 4
		c.head = c.head[:0]
	}
	return nil
}

// openAndClose opens sessions one after the other, asks each for one row and
// closes it.
func openAndClose(ctx context.Context, e endpoint) (s sample, err error) {
	const sessions = 50
	took := make([]float64, sessions)
	began := time.Now()
	for i := range took {
		start := time.Now()
		pc, err := pgconn.Connect(ctx, e.dsn())
		if err != nil {
			return s, err
		}
		_, err = pc.Exec(ctx, "SELECT abalance FROM pgbench_accounts WHERE aid = 1").ReadAll()
		if err != nil {
			return s, err
		}
		if err := pc.Close(ctx); err != nil {
			return s, err
		}
		took[i] = float64(time.Since(start).Microseconds())
	}
	slices.Sort(took)
	return sample{rate: sessions / time.Since(began).Seconds(), p50: percentile(took, 50), p99: percentile(took, 99)}, nil
}
