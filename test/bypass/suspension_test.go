package bypass

import (
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"
)

// suspension is about what still comes after access has ended: row 26. On the
// store that is REVOKE, NOLOGIN and an expired VALID UNTIL.
func suspension() []attack {
	return []attack{
		{name: "26-open-portal", run: afterwards(openPortal, &pgproto3.Execute{Portal: "k", MaxRows: 5}, &pgproto3.Sync{})},
		{name: "26-open-cursor", run: afterwards(sqlBefore("BEGIN", "DECLARE k CURSOR FOR "+manyRows, "FETCH 1 FROM k"), &pgproto3.Query{String: "FETCH 5 FROM k"})},
		{name: "26-with-hold", run: afterwards(sqlBefore("BEGIN", "DECLARE k CURSOR WITH HOLD FOR "+lensRows, "COMMIT"), &pgproto3.Query{String: "FETCH 5 FROM k"})},
		{name: "26-prepared-statement", refused: "42501", run: afterwards(prepared, &pgproto3.Bind{PreparedStatement: "k"}, &pgproto3.Execute{}, &pgproto3.Sync{})},
		{name: "26-copy-in-progress", run: copyInProgress},
	}
}

const manyRows = "SELECT u.id, u.handle, u.email, n FROM users u, generate_series(1, 3000000) n"

func openPortal(c *client) answer {
	c.send(&pgproto3.Query{String: "BEGIN"}, &pgproto3.Parse{Query: manyRows}, &pgproto3.Bind{DestinationPortal: "k"}, &pgproto3.Execute{Portal: "k", MaxRows: 1}, &pgproto3.Sync{})
	return c.until(2)
}

func sqlBefore(sql ...string) func(*client) answer {
	return func(c *client) answer { return c.race(sql...) }
}

func prepared(c *client) answer {
	c.send(&pgproto3.Parse{Name: "k", Query: lensRows}, &pgproto3.Bind{PreparedStatement: "k"}, &pgproto3.Execute{}, &pgproto3.Sync{})
	return c.until(1)
}

// afterwards prepares something, has access ended, and asks for more. Nothing of
// the store's may come: only a goodbye (SQLSTATE 57P01), then the end.
func afterwards(before func(*client) answer, more ...pgproto3.FrontendMessage) func(*target) []string {
	return func(t *target) (found []string) {
		c := t.connect()
		if a := before(c); a.state() != "" || c.over {
			t.tb.Fatalf("the session did not get as far as it should: %s", a.state())
		}
		t.revoke()
		c.send(more...)
		a := c.until(1)
		if a.rows() > 0 {
			found = append(found, "rows after the end of access")
		}
		if c.over && len(a) == 1 && a.state() == "57P01" {
			return found
		}
		if len(a) > 0 && a.state() != "42501" { // which is PostgreSQL's own refusal
			found = append(found, "answers of the store after the end of access")
		}
		return found
	}
}

// copyInProgress has a COPY stalled half way, by reading no further, when access
// ends. Then every byte that arrives, and had not arrived by then, is too many.
func copyInProgress(t *target) []string {
	c := t.connect()
	c.send(&pgproto3.Query{String: "COPY (" + manyRows + ") TO STDOUT"})
	for m, ok := c.next(); m.kind != 'd'; m, ok = c.next() {
		if !ok {
			t.tb.Fatal("no copy data")
		}
	}
	delivered := c.tap.read + c.tap.stalled(t)
	t.revoke()
	buf := make([]byte, 64<<10)
	for c.tap.read <= delivered {
		if _, err := c.tap.Read(buf); err != nil {
			break
		}
	}
	if c.tap.read > delivered {
		return []string{"bytes of a copy that arrived after the end of access"}
	}
	return nil
}

// stalled waits until nothing arrives any more because nobody reads, and gives
// the number of bytes that wait to be read.
func (c *tap) stalled(t *target) int {
	rc, err := c.SyscallConn()
	if err != nil {
		t.tb.Fatal(err)
	}
	last, same := -1, 0
	for same < 20 {
		var now int
		var fail error
		if err := rc.Control(func(fd uintptr) { now, fail = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil || fail != nil {
			t.tb.Fatal(err, fail)
		}
		if now == last && now > 0 {
			same++
		} else {
			last, same = now, 0
		}
		// No event tells that a full window stays full.
		time.Sleep(5 * time.Millisecond)
	}
	return last
}
