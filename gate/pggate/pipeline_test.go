package pggate

import (
	"strings"
	"testing"
)

// plain is the same conversation with PostgreSQL itself, as the truth about order.
func TestAnswersComeInPostgresOrder(t *testing.T) {
	refused := "explain select 1"
	broken := "select from where" // what a refused statement must behave like
	for name, c := range map[string]struct {
		send  func(bad string) [][]byte
		ready int
		want  string // with the SQLSTATE of a refusal
	}{
		"between queries": {func(bad string) [][]byte {
			return [][]byte{query("select 1"), query(bad), query("select 2")}
		}, 3, "T D1 C ZI E0A000 ZI T D2 C ZI"},
		"after slow work": {func(bad string) [][]byte {
			return [][]byte{query("select pg_sleep(0.2)"), query(bad)}
		}, 2, "T D C ZI E0A000 ZI"},
		"in a block": {func(bad string) [][]byte {
			return [][]byte{query("begin"), query(bad), query("select 1"), query("rollback"), query("select 2")}
		}, 5, "C ZT E0A000 ZE E25P02 ZE C ZI T D2 C ZI"},
		"parse in a pipeline": {func(bad string) [][]byte {
			return [][]byte{
				parse("", "select 1"), bind("", ""), execute("", 0),
				parse("", bad), bind("", ""), describe("P", ""), execute("", 0), sync_,
				parse("", "select 3"), bind("", ""), execute("", 0), sync_,
			}
		}, 2, "1 2 D1 C E0A000 ZI 1 2 D3 C ZI"},
		"after an earlier error of the pipeline": {func(bad string) [][]byte {
			return [][]byte{
				parse("", "select 1/0"), bind("", ""), execute("", 0),
				parse("", bad), bind("", ""), execute("", 0), sync_, query("select 2"),
			}
		}, 2, "1 E22012 ZI T D2 C ZI"}, // PostgreSQL plans at Bind, and planning divides
		"query without sync before it": {func(bad string) [][]byte {
			return [][]byte{parse("", "select 1"), bind("", ""), query(bad), sync_}
		}, 2, "1 2 E0A000 ZI ZI"},
		"query skipped like the rest": {func(bad string) [][]byte {
			return [][]byte{parse("", bad), query("select 1"), sync_}
		}, 1, "E0A000 ZI"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.raw()
			r.send(c.send(refused)...)
			equal(t, "refused", r.until(c.ready), c.want)
			r.send(c.send(broken)...)
			equal(t, "a syntax error", r.until(c.ready), strings.ReplaceAll(c.want, "0A000", "42601"))
		})
	}
}

func TestARefusedStatementIsReplacedWhole(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("select 1; explain select 2; select 3"))
	kind, body := r.next()
	equal(t, "kind", string(kind), "E")
	contains(t, body, "EXPLAIN is not served")
	if strings.Contains(body, refusedName) {
		t.Errorf("the stand-in shows: %q", body)
	}
	r.until(1)
	equal(t, "forwarded", len(w.session(0).texts()), 0)
}

func TestFunctionCallIsRefused(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("select 1"), msg(msgFunctionCall, "\x00\x00\x08\x1d\x00\x00\x00\x00\x00\x00"), query("select 2"))
	equal(t, "answers", r.until(3), "T D1 C ZI E0A000 ZI T D2 C ZI")
	equal(t, "refused", len(w.session(0).refused), 1)
}

func TestCopyMessagesOutsideACopyAreIgnored(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(msg(msgCopyData, "x"), msg(msgCopyFail, "no\x00"), msg(msgCopyDone), query("select 1"))
	equal(t, "answers", r.until(1), "T D1 C ZI")
}

func TestCopyInIsRefused(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("copy people from stdin"), query("select 1"))
	equal(t, "answers", r.until(2), "E0A000 ZI T D1 C ZI")
}

func TestEntriesOfTheExtendedProtocol(t *testing.T) {
	for name, c := range map[string]struct {
		flights [][][]byte // each sent whole, then answered up to its Syncs
		want    []string
	}{
		"parse and bind in one flight": {
			[][][]byte{{parse("", "select 1"), describe("S", ""), bind("", ""), execute("", 0), sync_}},
			[]string{"extended select 1"},
		},
		"prepared once, bound twice": {
			[][][]byte{{parse("s", "select 1"), describe("S", "s"), sync_}, {bind("", "s"), execute("", 0), sync_}, {bind("", "s"), execute("", 0), sync_}},
			[]string{"prepare select 1", "extended select 1", "extended select 1"},
		},
		"fetched in parts": {
			[][][]byte{{parse("", "select generate_series(1,3)"), bind("", ""), execute("", 2), execute("", 2), sync_}},
			[]string{"extended select generate_series(1,3)"},
		},
		"a portal over several flights": {
			[][][]byte{{query("begin")}, {parse("", "select generate_series(1,3)"), bind("c", ""), execute("c", 1), sync_}, {execute("c", 1), sync_}, {query("commit")}},
			[]string{"simple begin", "extended select generate_series(1,3)", "simple commit"},
		},
		"a cursor made by SQL": {
			[][][]byte{{query("begin; declare c cursor for select 7")}, {execute("c", 0), sync_}},
			[]string{"simple begin; declare c cursor for select 7", "by-name /c"},
		},
		"a statement prepared by SQL": {
			[][][]byte{{query("prepare s as select 7")}, {bind("", "s"), execute("", 0), sync_}},
			[]string{"simple prepare s as select 7", "by-name s/"},
		},
		"a name whose second parse fails keeps its text": {
			[][][]byte{{parse("s", "select 1"), sync_, parse("s", "select 2"), sync_, bind("", "s"), execute("", 0), sync_}},
			[]string{"prepare select 1", "prepare select 2", "extended select 1"},
		},
		"the unnamed statement whose parse was skipped keeps its text": {
			[][][]byte{{parse("", "select 1"), sync_}, {bind("", "nosuch"), parse("", "select 2"), sync_, bind("", ""), execute("", 0), sync_}},
			[]string{"prepare select 1", "by-name nosuch/", "prepare select 2", "extended select 1"},
		},
		"a closed name is free": {
			[][][]byte{{parse("s", "select 1"), sync_}, {closing("S", "s"), sync_}, {parse("s", "select 2"), bind("", "s"), execute("", 0), sync_}},
			[]string{"prepare select 1", "extended select 2"},
		},
		"a close that was skipped leaves the name": {
			[][][]byte{{parse("s", "select 1"), sync_}, {bind("", "nosuch"), closing("S", "s"), sync_}, {bind("", "s"), execute("", 0), sync_}},
			[]string{"prepare select 1", "by-name nosuch/", "extended select 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.raw()
			for _, flight := range c.flights {
				r.send(flight...)
				n := 0
				for _, m := range flight {
					if m[0] == msgSync || m[0] == msgQuery {
						n++
					}
				}
				r.until(n)
			}
			equal(t, "records", strings.Join(w.session(0).texts(), "\n"), strings.Join(c.want, "\n"))
		})
	}
}

func TestResults(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("select generate_series(1,3); select 4"))
	r.until(1)
	r.send(parse("", "select generate_series(1,3)"), bind("", ""), execute("", 2), execute("", 2), sync_)
	r.until(1)
	r.send(parse("", "select 1/(i-2) from generate_series(1,3) i"), bind("", ""), execute("", 0), bind("", ""), sync_)
	r.until(1)
	var got []string
	s := w.session(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.results {
		got = append(got, strings.TrimRight(strings.Join([]string{string('0' + byte(x.Pos)), string('0' + byte(x.Rows)), x.Completeness.String(), string(x.SQLState[:])}, " "), "\x00 "))
		if x.Bytes <= 0 || x.Duration <= 0 {
			t.Errorf("nothing measured: %+v", x)
		}
	}
	equal(t, "position, rows, completeness", strings.Join(got, ", "), "0 4 complete, 1 2 suspended, 1 1 complete, 2 1 error 22012, 3 0 error 22012")
}

func TestADeepPipelineIsServed(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	const n = 20000
	go func() {
		var b []byte
		for range n {
			b = append(b, bind("", "")...)
			b = append(b, execute("", 0)...)
			b = append(b, sync_...)
		}
		_, _ = r.conn.Write(append(append(parse("", "select 1"), sync_...), b...))
	}()
	r.until(n + 1)
	equal(t, "records", len(w.session(0).texts()), n+1)
}

func TestEndlessSkippingEndsTheSession(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	go func() {
		b := bind("", "nosuch")
		for range 2 * maxDue {
			if _, err := r.conn.Write(b); err != nil {
				return
			}
		}
	}()
	_, body := r.next()
	contains(t, body, "C26000")
	_, body = r.next()
	contains(t, body, "SFATAL", "C53300", "without a Sync")
}
