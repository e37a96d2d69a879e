package lens

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// BenchmarkLens gives, for each kind of query over 715,000 users, 5 M rows in all, what the
// lens costs as a ratio to the same query on the base table: medians of
// interleaved executions, prepared, over one connection each.
func BenchmarkLens(b *testing.B) {
	s := newStore(b, strings.ReplaceAll(many, "ROWS", "715000"))
	s.exec("VACUUM ANALYZE")
	s.apply()
	gate := s.gate()
	base := s.connect()
	_, bulk := s.session(gate, Bulk)
	_, small := s.session(gate, Case, "17")
	_, clear := s.sessionOf(gate, 1, Clear, Bulk)
	_, pseudo := s.sessionOf(gate, 2, Pseudonymous, Bulk)
	_, known := s.sessionOf(gate, 3, Pseudonymous, Case, "17")
	thousand := numbers(MaxSubjects)
	_, many := s.sessionOf(gate, 4, Masked, Case, thousand...)
	_, manyPseudo := s.sessionOf(gate, 5, Pseudonymous, Case, thousand...)
	one := Pseudonym(s.ds, "text", grantKey(3), "17")
	for _, c := range []struct {
		name, sql string
		lens      *pgx.Conn
	}{
		{"bulk/point", "SELECT * FROM users WHERE id = 17", bulk},
		{"bulk/top10", "SELECT * FROM users ORDER BY created_at DESC LIMIT 10", bulk},
		{"bulk/max", "SELECT max(id) FROM users", bulk},
		{"bulk/join3", "SELECT u.country, v.at, d.seconds FROM users u JOIN views v ON v.user_id = u.id JOIN videos d ON d.id = v.video_id WHERE u.id = 17", bulk},
		{"bulk/messages", "SELECT * FROM messages WHERE sender_id = 17", bulk},
		{"bulk/count", "SELECT count(*) FROM views WHERE watched_ms > 500", bulk},
		{"bulk/masked", "SELECT count(email), count(full_name), count(born) FROM users WHERE id % 10 = 0", bulk},
		{"clear/point", "SELECT * FROM users WHERE id = 17", clear},
		{"clear/handle", "SELECT * FROM users WHERE handle = 'h17'", clear},
		{"clear/top10", "SELECT * FROM users ORDER BY created_at DESC LIMIT 10", clear},
		{"clear/join3", "SELECT u.country, v.at, d.seconds FROM users u JOIN views v ON v.user_id = u.id JOIN videos d ON d.id = v.video_id WHERE u.id = 17", clear},
		{"pseudo/point", "SELECT * FROM videos WHERE id = 17", pseudo},
		{"pseudo/top10", "SELECT * FROM users ORDER BY created_at DESC LIMIT 10", pseudo},
		{"pseudo/max", "SELECT max(id) FROM views", pseudo},
		{"pseudo/join", "SELECT v.at, v.user_id, d.user_id FROM videos d JOIN views v ON v.video_id = d.id WHERE d.id = 17", pseudo},
		{"pseudo/count", "SELECT count(*) FROM views WHERE watched_ms > 500", pseudo},
		{"pseudo/users", "SELECT count(id) FROM users", pseudo},
		{"case/point", "SELECT * FROM users WHERE id = 17", small},
		{"case/messages", "SELECT * FROM messages WHERE sender_id = 17", small},
		{"case/join3", "SELECT u.country, v.at, d.seconds FROM users u JOIN views v ON v.user_id = u.id JOIN videos d ON d.id = v.video_id WHERE u.id = 17 AND d.user_id = 17", small},
		{"thousand/point", "SELECT * FROM users WHERE id = 17", many},
		{"thousand/top10", "SELECT * FROM views ORDER BY at DESC LIMIT 10", many},
		{"thousand/messages", "SELECT * FROM messages", many},
		{"thousand/pseudo", "SELECT u.id, v.at FROM users u JOIN views v ON v.user_id = u.id ORDER BY v.at DESC LIMIT 10", manyPseudo},
		{"case/pseudo", "SELECT * FROM views WHERE user_id = '" + one + "'", known},
	} {
		baseSQL := strings.ReplaceAll(c.sql, "'"+one+"'", "17")
		b.Run(c.name, func(b *testing.B) {
			if _, err := base.Exec(ctx, "SET search_path = public"); err != nil {
				b.Fatal(err)
			}
			var with, without []time.Duration
			for i := range 30 { // warm both plans and caches
				if i == 1 && strings.Contains(c.sql, "count(") {
					break
				}
				run(b, base, baseSQL)
				run(b, c.lens, c.sql)
			}
			scan := strings.Contains(c.sql, "count(")
			for i := 0; b.Loop(); i++ {
				if scan && i >= 5 { // they take seconds, and vary little
					continue
				}
				without = append(without, run(b, base, baseSQL))
				with = append(with, run(b, c.lens, c.sql))
			}
			m, n := median(with), median(without)
			b.ReportMetric(float64(m)/float64(n), "lens/base")
			b.ReportMetric(float64(m.Microseconds()), "lens-µs")
			b.ReportMetric(float64(n.Microseconds()), "base-µs")
		})
	}
	b.Run("fingerprint", func(b *testing.B) {
		for b.Loop() {
			if _, err := Fingerprint(ctx, gate, "clips", Masked, Case); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fence", func(b *testing.B) {
		for b.Loop() {
			if _, err := CheckFence(ctx, gate); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("openclose", func(b *testing.B) {
		v, lens := verifier(secret), s.lens(Masked, Case)
		var open, shut []time.Duration
		for b.Loop() {
			seq++
			start := time.Now()
			o, err := OpenSession(ctx, gate, Session{Gate: "bench", Seq: seq, Lens: lens, Grant: seq, Verifier: v, Subjects: []string{"17"}})
			if err != nil {
				b.Fatal(err)
			}
			mid := time.Now()
			if err := CloseSession(ctx, gate, o.Role); err != nil {
				b.Fatal(err)
			}
			open, shut = append(open, mid.Sub(start)), append(shut, time.Since(mid))
		}
		b.ReportMetric(float64(median(open).Microseconds()), "open-µs")
		b.ReportMetric(float64(median(shut).Microseconds()), "close-µs")
	})
}

func run(b *testing.B, conn *pgx.Conn, sql string) time.Duration {
	start := time.Now()
	r, err := conn.Query(ctx, sql)
	if err != nil {
		b.Fatal(err)
	}
	for r.Next() {
	}
	if r.Err() != nil {
		b.Fatal(r.Err())
	}
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
