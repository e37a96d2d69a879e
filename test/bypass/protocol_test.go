package bypass

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

// protocol is about what the bytes on the wire can mean: rows 21 to 23, and two
// races between a setting and the text that depends on it.
func protocol() []attack {
	return []attack{
		{name: "21-multi-statement", run: multiStatement},
		{name: "21-plain-strings", run: oneByOne(plainStrings)},
		{name: "21-client-encoding", run: oneByOne(encodings)},
		{name: "22-binary-format", run: delivery(binaryFormat)},
		{name: "22-pipeline", run: delivery(pipeline)},
		{name: "22-pipelined-escape", run: pipelinedEscape},
		{name: "22-portal-resume", run: delivery(portalResume)},
		{name: "22-fetch", run: delivery(fetch)},
		{name: "22-copy", run: delivery(copyOut)},
		{name: "23-forged-key", run: forgedKey, refused: "silently"},
		{name: "23-foreign-key", run: foreignKey},
		{name: "23-key-of-the-store", run: keyOfTheStore},
		{name: "race-plain-strings", run: inOneWrite(plainStrings)},
		{name: "race-client-encoding", run: inOneWrite(encodings)},
	}
}

func multiStatement(t *target) []string {
	t.connect().query("SELECT 1; RESET ROLE; " + t.raw())
	return nil
}

// trick is a setting, and a text in which EXPLAIN is part of a literal before the
// setting has the value and a statement after it.
type trick struct{ setting, value, text string }

const hiddenExplain = "explain (analyze) SELECT id FROM users WHERE country = 'DE' --'"

// plainStrings: with standard_conforming_strings off, '\” is one quote and the
// literal goes on; to a reader that still believes in on, it ends there.
var plainStrings = trick{"standard_conforming_strings", "off", `SELECT '\''; ` + hiddenExplain}

// encodings: in SJIS the second byte of Á and the backslash are one character, so
// the quote ends the literal; in UTF-8 the backslash escapes it.
var encodings = trick{"client_encoding", "SJIS", `SELECT E'Á\'; ` + hiddenExplain}

// byFunction changes the setting without naming it in one piece.
func (k trick) byFunction() string {
	return fmt.Sprintf("SELECT set_config('%s'||'%s', '%s', false)", k.setting[:5], k.setting[5:], k.value)
}

// oneByOne changes the setting, hears of it, and sends the text then.
func oneByOne(k trick) func(*target) []string {
	return func(t *target) (found []string) {
		for _, change := range []string{k.byFunction(), "SET " + k.setting + " = " + k.value, "DO $$ BEGIN EXECUTE 'SET " + k.setting + " = " + k.value + "'; END $$"} {
			c := t.connect()
			t.permit()
			c.query(change)
			found = append(found, plan(c.query(k.text))...)
		}
		return append(found, plan(t.with(k.setting, k.value).query(k.text))...)
	}
}

// inOneWrite sends both before anybody can hear of the change.
func inOneWrite(k trick) func(*target) []string {
	return func(t *target) []string {
		if leaked := plan(t.connect().race("SELECT 1", k.text)); leaked != nil {
			t.tb.Fatal("the text runs EXPLAIN without the change, so it proves nothing")
		}
		c := t.connect()
		t.permit()
		return plan(c.race(k.byFunction(), k.text))
	}
}

// delivery has rows delivered in an unusual way and looks whether the log knows
// of each. What is in the rows is looked at as well: it must be the lens's.
func delivery(deliver func(*target, *client) answer) func(*target) []string {
	return func(t *target) []string {
		c := t.connect()
		got := deliver(t, c).rows()
		c.leave()
		if got == 0 {
			t.tb.Fatalf("nothing was delivered: %v", c.states)
		}
		if known := t.recorded(); known != got {
			return []string{fmt.Sprintf("%d rows, %d of them recorded", got, known)}
		}
		return nil
	}
}

const lensRows = "SELECT u.id, u.handle, u.email, n FROM users u, generate_series(1, 10) n"

func binaryFormat(_ *target, c *client) answer {
	c.send(append(extended(lensRows, 1, 0), &pgproto3.Sync{})...)
	return c.until(1)
}

// pipeline sends fifty statements in one write, failing ones among them, some of
// them skipped because of those.
func pipeline(_ *target, c *client) answer {
	var all []pgproto3.FrontendMessage
	for i := range 50 {
		all = append(all, extended(lensRows+" LIMIT 3", int16(i%2), 0)...)
		if i%7 == 3 {
			all = append(all, extended("SELECT 1/0", 0, 0)...)
			all = append(all, extended(lensRows, 0, 0)...)
		}
		all = append(all, &pgproto3.Sync{})
	}
	c.send(all...)
	return c.until(50)
}

func pipelinedEscape(t *target) []string {
	c := t.connect()
	all := append(extended("RESET ROLE", 0, 0), extended(t.raw(), 1, 0)...)
	c.send(append(all, &pgproto3.Sync{})...)
	c.until(1)
	return nil
}

// portalResume takes a portal's rows in parts, with another statement in between.
func portalResume(_ *target, c *client) answer {
	bind := func(portal string) []pgproto3.FrontendMessage {
		return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: lensRows}, &pgproto3.Bind{DestinationPortal: portal}, &pgproto3.Execute{Portal: portal, MaxRows: 2}, &pgproto3.Sync{}}
	}
	all := append([]pgproto3.FrontendMessage{&pgproto3.Query{String: "BEGIN"}}, bind("a")...)
	all = append(append(all, bind("b")...), &pgproto3.Execute{Portal: "a", MaxRows: 3}, &pgproto3.Execute{Portal: "b", MaxRows: 1}, &pgproto3.Sync{})
	all = append(all, &pgproto3.Execute{Portal: "a"}, &pgproto3.Sync{}, &pgproto3.Query{String: "COMMIT"})
	c.send(all...)
	return c.until(6)
}

func fetch(_ *target, c *client) answer {
	return c.race("BEGIN", "DECLARE k SCROLL CURSOR WITH HOLD FOR "+lensRows+" LIMIT 10", "FETCH 2 FROM k", "FETCH BACKWARD 1 FROM k", "COMMIT", "FETCH ALL FROM k", "CLOSE k")
}

// copyOut sends further messages while the copy is on its way: COPY's own, which
// PostgreSQL ignores there, and a query.
func copyOut(_ *target, c *client) answer {
	c.send(&pgproto3.Query{String: "COPY (" + lensRows + ") TO STDOUT (FORMAT binary)"}, &pgproto3.CopyData{Data: []byte("x")}, &pgproto3.CopyDone{}, &pgproto3.Query{String: "SELECT 1"})
	return c.until(2)
}

// forgedKey cancels with the right process id and a guessed secret.
func forgedKey(t *target) []string {
	c, goOn := t.blocked()
	guess := bytes.Clone(c.key)
	guess[len(guess)-1] ^= 1
	cancel(t.tb, t.addr, guess)
	if goOn().state() == "57014" {
		return []string{"a statement cancelled without its key"}
	}
	return nil
}

// blocked is a session in a statement that waits for a lock. A cancel request sent
// meanwhile is acted on before the lock is had, so goOn tells whether one worked.
func (t *target) blocked() (c *client, goOn func() answer) {
	c = t.connect()
	t.exec("BEGIN", "LOCK TABLE public.users")
	c.send(&pgproto3.Query{String: "SELECT FROM users LIMIT 1"})
	t.await("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'public.users'::regclass AND NOT granted)")
	return c, func() answer {
		t.exec("ROLLBACK")
		return c.until(1)
	}
}

// foreignKey cancels, through the gateway, a session that is not the gateway's:
// whoever came by its key reaches it from where the store can't be reached.
func foreignKey(t *target) []string {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	victim := pgtest.Connect(t.tb, t.store.Config().ConnString())
	t.exec("SELECT pg_advisory_lock(23)")
	defer t.exec("SELECT pg_advisory_unlock_all()")
	done := make(chan error, 1)
	go func() {
		_, err := victim.Exec(ctx, "SELECT pg_advisory_lock(23)")
		done <- err
	}()
	pid := victim.PgConn().PID()
	t.await("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = $1)", int32(pid))
	cancel(t.tb, t.addr, append(binary.BigEndian.AppendUint32(nil, pid), victim.PgConn().SecretKey()...))
	t.exec("SELECT pg_advisory_unlock(23)")
	var pe *pgconn.PgError
	if err := <-done; errors.As(err, &pe) && pe.Code == "57014" {
		return []string{"a statement of somebody else's session was cancelled"}
	}
	return nil
}

// keyOfTheStore uses the key a client was given at the store itself.
func keyOfTheStore(t *target) []string {
	c, goOn := t.blocked()
	cancel(t.tb, t.storeAddr, c.key)
	if goOn().state() == "57014" {
		return []string{"the store's own key, which works beside the gateway"}
	}
	return nil
}
