package bypass

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/clips"
)

// target is what an attack is run against: a way to a store, and somebody who may
// use it but must see no more than a lens.
type target struct {
	tb       testing.TB
	addr     string
	from     string // address to connect from
	tls      *tls.Config
	user     string
	database string
	password string

	store     *pgx.Conn // as its superuser: to arrange and to observe
	storeAddr string
	elsewhere string       // a schema that is not this person's lens
	strong    string       // a role of the store that may read more
	self      clips.Person // whom the case names
	clear     bool         // and is shown as they are
	other     person       // somebody whom it does not

	// permit lets the newest session call set_config, which a fence takes away: what
	// stands behind that wall is to be seen as well.
	permit func()
	// limit bounds how long one statement may take, and sets the read-only default.
	limit func(time.Duration)
	// recorded gives the rows that the log says were delivered since the target was made.
	recorded func() int
	// revoke ends the person's access and comes back when it is in force.
	revoke func()
	// noticed comes back when a change in the store must have been seen.
	noticed func()

	clients []*client
}

// person is somebody in the store, with what must not be seen of them.
type person struct {
	id                            int64
	handle, email, ip, advertised string
}

// someone finds a person whom the case does not name, as the store's superuser.
func someone(tb testing.TB, store *pgx.Conn) (p person) {
	tb.Helper()
	err := store.QueryRow(context.Background(), `SELECT u.id, u.handle, u.email, host(s.ip), d.advertising_id::text
		FROM public.users u JOIN public.signins s ON s.user_id = u.id JOIN public.devices d ON d.id = s.device_id
		WHERE d.advertising_id IS NOT NULL AND u.id <> $1 ORDER BY u.id, s.id LIMIT 1`, clips.CaseUser().ID).Scan(&p.id, &p.handle, &p.email, &p.ip, &p.advertised)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// secrets are texts that must reach no client, and what they are.
func (t *target) secrets() map[string]string {
	s := map[string]string{
		t.other.handle: "another user's handle", t.other.email: "another user's email", t.other.ip: "another user's address",
		t.other.advertised: "another user's device",
	}
	if !t.clear {
		s[t.self.Email] = "the full email of the case's user"
	}
	return s
}

// connect logs in as the person may.
func (t *target) connect() *client {
	t.tb.Helper()
	c := t.with()
	if c.over {
		t.tb.Fatalf("no session: %q", c.seen.String())
	}
	return c
}

// with logs in with further startup parameters, which may be refused.
func (t *target) with(pairs ...string) *client {
	t.tb.Helper()
	return t.startup(append([]string{"user", t.user, "database", t.database}, pairs...)...)
}

// startup logs in with these startup parameters alone.
func (t *target) startup(pairs ...string) *client {
	t.tb.Helper()
	c := dial(t.tb, t.addr, t.from, t.tls)
	c.login(t.password, pairs...)
	t.clients = append(t.clients, c)
	return c
}

// raw asks for another user's row in the table itself.
func (t *target) raw() string {
	return fmt.Sprintf("SELECT handle, email FROM public.users WHERE id = %d", t.other.id)
}

// exec runs statements as the store's superuser.
func (t *target) exec(sql ...string) {
	t.tb.Helper()
	for _, q := range sql {
		if _, err := t.store.Exec(context.Background(), q); err != nil {
			t.tb.Fatalf("%s: %v", q, err)
		}
	}
}

// await waits until a query on the store gives true.
func (t *target) await(sql string, args ...any) {
	t.tb.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for ok := false; !ok; {
		if err := t.store.QueryRow(ctx, sql, args...).Scan(&ok); err != nil {
			t.tb.Fatalf("waiting for %s: %v", sql, err)
		}
	}
}

// leaked adds to what an attack found the secrets that reached any of its clients.
func (t *target) leaked(found []string) []string {
	for _, c := range t.clients {
		for text, what := range t.secrets() {
			if strings.Contains(c.seen.String(), text) {
				found = append(found, what)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// states are the SQLSTATEs that the attack's clients were answered with.
func (t *target) states() (all []string) {
	for _, c := range t.clients {
		all = append(all, c.states...)
	}
	return all
}

// cancel sends a CancelRequest and waits until the other side has dealt with it,
// which is when it closes.
func cancel(tb testing.TB, addr string, key []byte) {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	packet := append(startupPacket(codeCancel), key...)
	packet[3] = byte(len(packet))
	if _, err := conn.Write(packet); err != nil {
		tb.Fatal(err)
	}
	conn.Read(make([]byte, 1))
}
