package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report gathers the tables of docs/performance.md.
type report struct {
	machine, command             string
	began                        time.Time
	rounds, seconds, scale, rows int

	ratios, latencies, large, sessions []string // lines of tables
	memory                             string
	ledger, lens                       []figure
}

func find(set []measured, name string) measured {
	i := slices.IndexFunc(set, func(m measured) bool { return m.name == name })
	return set[i]
}

// ratio is the median of the rounds' own ratios, with the smallest and largest.
func ratio(set []measured, over, under string) string {
	a, b := find(set, over), find(set, under)
	r := make([]float64, len(a.samples))
	for i := range r {
		r[i] = a.samples[i].rate / b.samples[i].rate
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(r), slices.Min(r), slices.Max(r))
}

func middle(m measured, of func(sample) float64) float64 {
	v := make([]float64, len(m.samples))
	for i, s := range m.samples {
		v[i] = of(s)
	}
	return median(v)
}

func rate(s sample) float64 { return s.rate }
func p50(s sample) float64  { return s.p50 }
func p99(s sample) float64  { return s.p99 }
func cpu(s sample) float64  { return s.cpu }

func (r *report) add(what string, set []measured) {
	r.ratios = append(r.ratios, fmt.Sprintf("| %s | **%s** | %s | %s | %s |", what,
		ratio(set, "gate", "pgbouncer"), ratio(set, "gate", "direct"), ratio(set, "gate", "view"), ratio(set, "view", "direct")))
	line := "| " + what + " |"
	for _, m := range set {
		line += fmt.Sprintf(" %.0f · %s / %s |", middle(m, rate), ms(middle(m, p50)), ms(middle(m, p99)))
	}
	r.latencies = append(r.latencies, line+fmt.Sprintf(" %.0f | %.0f |", middle(find(set, "pgbouncer"), cpu), middle(find(set, "gate"), cpu)))
}

func ms(us float64) string { return fmt.Sprintf("%.2f", us/1000) }

func (r *report) addLarge(what string, set []measured) {
	line := fmt.Sprintf("| %s | **%s** | %s | %s |", what, ratio(set, "gate", "direct"), ratio(set, "gate", "direct TLS"), ratio(set, "gate", "pgbouncer"))
	for _, m := range set {
		line += fmt.Sprintf(" %.0f |", middle(m, rate)/1e6)
	}
	r.large = append(r.large, line)
}

func (r *report) addSessions(set []measured) {
	for _, m := range set {
		r.sessions = append(r.sessions, fmt.Sprintf("| %s | %s | %s |", m.name, ms(middle(m, p50)), ms(middle(m, p99))))
	}
}

func (r *report) markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	table := func(head string, lines []string) {
		p("\n%s\n|%s\n%s\n", head, strings.Repeat("---|", strings.Count(head, "|")-1), strings.Join(lines, "\n"))
	}
	p("Measured %s in %s with `%s`: %d interleaved rounds of %d s, pgbench scale %d, all of it in memory.\n",
		r.began.UTC().Format("2006-01-02"), time.Since(r.began).Round(time.Minute), r.command, r.rounds, r.seconds, r.scale)
	p("Machine: %s\n", r.machine)
	p("\n### Throughput, as ratios\n\nMedian of the rounds' ratios, with the smallest and the largest.\n")
	table("| measurement, clients | gate ÷ PgBouncer | gate ÷ direct | gate ÷ view | view ÷ direct |", r.ratios)
	p("\n### Transactions a second · p50 / p99 in ms\n\nMedians of the rounds. CPU is the processor time of the process between client and store, for one transaction;\n")
	p("the gate's includes signing, sealing and publishing the log.\n")
	table("| measurement, clients | direct | view | PgBouncer | gate | CPU PgBouncer, µs | CPU gate, µs |", r.latencies)
	p("\n### Large results\n\n%d rows, MB/s (10⁶ bytes), to a client that discards them; the median of %d transfers of each.\n", r.rows, transfers*r.rounds)
	table("| query | gate ÷ direct | gate ÷ direct TLS | gate ÷ PgBouncer | direct | direct TLS | PgBouncer | gate |", r.large)
	p("\n### Sessions\n\nOpen, one query, close; ms, one after the other.\n")
	table("| | p50 | p99 |", r.sessions)
	p("\nMemory of the gate after the runs above, at its peak: %s.\n", r.memory)
	if len(r.ledger) > 0 {
		p("\n### The log\n\n`go test -bench` of the packages themselves; an entry is a statement of about 600 bytes.\n")
		lines := make([]string, len(r.ledger))
		for i, f := range r.ledger {
			lines[i] = "| " + f.name + " | " + strings.Join(f.values, " · ") + " |"
		}
		table("| benchmark | result |", lines)
	}
	if lines := lensLines(r.lens); len(lines) > 0 {
		p("\n### Lenses, without a gate\n\nA prepared query on the views and on the base tables, 5 M rows in all; medians of interleaved executions.\n")
		table("| lens/query | lens ÷ base | lens, ms | base, ms |", lines)
	}
	return b.String()
}

// lensLines are the lines of those figures of the lens's benchmark that compare.
func lensLines(figures []figure) (lines []string) {
	for _, f := range figures {
		of := make(map[string]float64)
		for _, v := range f.values {
			value, unit, _ := strings.Cut(v, " ")
			of[unit], _ = strconv.ParseFloat(value, 64) // go test wrote it
		}
		if of["base-µs"] > 0 {
			lines = append(lines, fmt.Sprintf("| %s | **%.2f** | %s | %s |", strings.TrimPrefix(f.name, "Lens/"), of["lens/base"], ms(of["lens-µs"]), ms(of["base-µs"])))
		}
	}
	return lines
}
