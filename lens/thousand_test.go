package lens

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// wide makes n tables of twelve columns that hang on users, one statement each,
// and their catalogue.
func wide(n int) (ddl []string, tables string) {
	var c strings.Builder
	c.WriteString("      users: { subject: id, columns: { id: subject, email: contact/email } }\n")
	for i := range n - 1 {
		ddl = append(ddl, fmt.Sprintf(`CREATE TABLE t%[1]d(id bigint PRIMARY KEY, user_id bigint REFERENCES users,
			a text, b text, c text, d date, e timestamptz, f int, g numeric, h inet, i float8, j boolean); CREATE INDEX ON t%[1]d(user_id)`, i))
		fmt.Fprintf(&c, "      t%d: { child: user_id -> users, columns: { id: key, user_id: subject, a: identity, b: contact/email, c: content, "+
			"d: birth, e: behaviour, f: behaviour, g: financial, h: network, i: location, j: behaviour } }\n", i)
	}
	return ddl, c.String()
}

// BenchmarkThousandTables gives what a catalogue of a thousand tables costs: plan
// and apply once, then what each session's start pays.
func BenchmarkThousandTables(b *testing.B) {
	s := newStore(b)
	ddl, tables := wide(1000)
	for _, sql := range ddl {
		s.exec(sql)
	}
	s.exec("ANALYZE")
	s.catalogued("wide", tables)
	start := time.Now()
	p := s.plan()
	planned := time.Now()
	if err := Apply(ctx, s.admin, p); err != nil {
		b.Fatal(err)
	}
	applied := time.Now()
	gate := s.gate()
	var prints Prints
	each := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			var all []time.Duration
			for b.Loop() {
				at := time.Now()
				if err := f(); err != nil {
					b.Fatal(err)
				}
				all = append(all, time.Since(at))
			}
			b.ReportMetric(float64(median(all).Microseconds())/1000, "p50-ms")
		})
	}
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(planned.Sub(start).Seconds(), "plan-s")
		b.ReportMetric(applied.Sub(planned).Seconds(), "apply-s")
		b.ReportMetric(float64(len(p.Steps)), "steps")
	})
	each("start", func() error { _, err := prints.Check(ctx, gate, start, "wide", Masked, Case); return err })
	each("fingerprint", func() error { _, err := Fingerprint(ctx, gate, "wide", Masked, Case); return err })
	each("compile", func() error { _, _, err := Compile(ctx, gate, s.ds); return err })
	each("fence", func() error { _, err := CheckFence(ctx, gate); return err })
}
