package pggate

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

func FuzzStartup(f *testing.F) {
	f.Add(packet(protocol30, "user", "anna", "database", "clips")[4:])
	f.Add(packet(3<<16|2, "user", "anna~g-aaab", "database", "clips.dublin-1", "application_name", "psql", "client_encoding", "'utf-8'", "_pq_.x", "1")[4:])
	f.Add(packet(protocol30, "user", "anna", "USER", "eve", "database", "clips")[4:])
	f.Add(packet(2<<16, "user", "anna")[4:])
	f.Add([]byte{0, 3, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStartup(b)
		if err != nil {
			return
		}
		if s.user == "" || s.database == "" || len(s.applicationName) > 63 || !plain([]byte(s.user)) {
			t.Errorf("accepted %+v", s)
		}
		for _, o := range s.settings {
			if slices.Contains([]string{"role", "session_authorization", "search_path", "row_security", "options", "replication"}, o.Name) || strings.Contains(o.Name, ".") {
				t.Errorf("setting %q passed", o.Name)
			}
		}
	})
}

// FuzzSCRAM: nothing but the right proof is ever accepted, and nothing panics.
func FuzzSCRAM(f *testing.F) {
	f.Add(scramMechanism, []byte("n,,n=,r=rOprNGfwEbeRWgbNEkqO"), []byte("c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	f.Add(scramMechanism, []byte("y,,n=user,r=abcdefgh,x=1"), []byte("c=eSws,r=x,p=AAAA"))
	f.Add(scramPlus, []byte("p=tls-server-end-point,,n=,r=abcdefgh"), []byte("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsYm91bmQ=,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	f.Add(scramPlus, []byte("p=tls-exporter,,n=,r=abcdefgh"), []byte(""))
	c := Credentials{Salt: []byte("salt"), Iterations: 4096}
	c.Candidates = []Keys{keysOf("secret", c, 1)}
	f.Fuzz(func(t *testing.T, mechanism string, first, final []byte) {
		x := newScram(c, channel{endPoint: []byte("bound")})
		if _, err := x.first(mechanism, first); err != nil {
			return
		}
		if x.gs2[0] == 'y' {
			t.Errorf("a downgrade was accepted: %q", first)
		}
		// Let the nonce match, so that what follows is looked at as well.
		final = bytes.Replace(final, []byte("r=x"), append([]byte("r="), x.nonce...), 1)
		if _, _, err := x.final(final); err == nil {
			t.Errorf("accepted %q %q", first, final)
		}
	})
}

// sink is a store that answers every Parse and Close, or a client that takes all.
type sink struct {
	net.Conn
	due *due
	got []byte
}

func (s *sink) Write(b []byte) (int, error) {
	s.got = append(s.got, b...)
	for s.due != nil {
		if _, ok := s.due.pop(defined); !ok {
			break
		}
	}
	return len(b), nil
}
func (*sink) SetDeadline(time.Time) error     { return nil }
func (*sink) SetReadDeadline(time.Time) error { return nil }
func (*sink) CloseWrite() error               { return nil }
func (*sink) Close() error                    { return nil }

func loose(tb testing.TB) (*relay, *sink, *sink) {
	g := &Gate{maxMessage: 4 << 20}
	g.chunks.New = func() any { return new([downBuffer]byte) }
	g.inbox.New = func() any { return new([inBuffer]byte) }
	store, client := &sink{}, &sink{}
	s := &testSession{testLog: newTestLog(), ended: make(chan struct{}), up: Upstream{Conn: store}}
	r := newRelay(g, s, s.up, &hello{wire: &wireConn{Conn: client}})
	r.client = client
	store.due = r.due
	tb.Cleanup(r.stop)
	return r, store, client
}

// FuzzFraming feeds both directions with anything, in two pieces.
func FuzzFraming(f *testing.F) {
	flight := bytes.Join([][]byte{parse("s", "select 1"), bind("p", "s"), describe("P", "p"), execute("p", 1), closing("S", "s"), sync_, query("explain select 1"), msg(msgFunctionCall, "x"), msg(msgCopyData), msg(msgTerminate)}, nil)
	f.Add(flight, 17)
	answers := bytes.Join([][]byte{msg('1'), msg('2'), msg('T', "\x00\x00"), msg('D', "\x00\x00"), msg('C', "SELECT 1\x00"), msg('Z', "I"), msg('E', "SERROR\x00C23505\x00Mx\x00Dy\x00\x00"), msg('S', "client_encoding\x00SJIS\x00"), msg('A', "x")}, nil)
	f.Add(answers, 3)
	f.Add([]byte("Q\xff\xff\xff\xff"), 2)
	f.Add([]byte("B\x00\x00\x00\x10\x00\x00\x00\x01\x00\x01\x7f\xff\xff\xff\x00\x00"), 9)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		if at < 0 || at > len(b) {
			at = len(b) / 2
		}
		r, store, _ := loose(t)
		feed(t, b, at, r.forward)
		for rest := store.got; len(rest) > 0; {
			if len(rest) < headerSize {
				t.Fatalf("half a header was forwarded: %q", rest)
			}
			kind, size := header(rest)
			if !bytes.ContainsRune([]byte("QPBDECSHX"), rune(kind)) || size < headerSize || size > len(rest) {
				t.Fatalf("forwarded %q with %d of %d bytes", kind, size, len(rest))
			}
			if kind == msgQuery {
				var v verdict
				if v.judge(bytes.TrimSuffix(rest[headerSize:size], []byte{0})); v.refuse != nil && !bytes.Contains(rest[:size], []byte(refusedName)) {
					t.Fatalf("a refused query was forwarded: %q", rest[:size])
				}
			}
			rest = rest[size:]
		}

		r, _, client := loose(t)
		_ = r.due.push(item{step: stepQuery, entry: true})
		feed(t, b, at, func(b []byte) (int, bool, *fault.Error) {
			used, why := r.pass(b)
			return used, false, why
		})
		if bytes.Contains(client.got, []byte("client_encoding\x00SJIS")) {
			t.Fatal("a changed encoding was passed on")
		}
	})
}

// feed gives f the bytes as two reads would.
func feed(t *testing.T, b []byte, at int, f func([]byte) (int, bool, *fault.Error)) {
	t.Helper()
	b = bytes.Clone(b)
	used, end, why := f(b[:at:at])
	if used < 0 || used > at {
		t.Fatalf("used %d of %d", used, at)
	}
	if why == nil && !end {
		_, _, _ = f(b[used:])
	}
}
