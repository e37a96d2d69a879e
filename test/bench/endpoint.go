package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// endpoint is one way to the same rows.
type endpoint struct {
	name               string
	host               string
	port               int
	user, password, db string
	sslmode            string // disable or require
	pid                int    // of the process between client and store; 0: there is none
}

// env is for libpq's programs.
func (e endpoint) env() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") {
			env = append(env, kv)
		}
	}
	return append(env, "PGHOST="+e.host, "PGPORT="+strconv.Itoa(e.port), "PGUSER="+e.user,
		"PGPASSWORD="+e.password, "PGDATABASE="+e.db, "PGSSLMODE="+e.sslmode, "PGGSSENCMODE=disable")
}

func (e endpoint) dsn() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(e.user, e.password), Host: net.JoinHostPort(e.host, strconv.Itoa(e.port)),
		Path: "/" + e.db, RawQuery: "sslmode=" + e.sslmode,
	}
	return u.String()
}

// sample is what one run measured; what a measurement has not is zero.
type sample struct {
	rate     float64 // transactions, or bytes, a second
	p50, p99 float64 // of one transaction or session, µs
	cpu      float64 // processor time of the process between, µs a transaction
}

// measured holds an endpoint's samples, one a round.
type measured struct {
	endpoint
	samples []sample
}

// interleave measures every endpoint once a round, beginning each round with
// another, so that what drifts on the machine drifts for all.
func interleave(ctx context.Context, rounds int, ends []endpoint, measure func(context.Context, endpoint) (sample, error)) ([]measured, error) {
	all := make([]measured, len(ends))
	for i, e := range ends {
		all[i].endpoint = e
	}
	for round := range rounds {
		for i := range ends {
			m := &all[(round+i)%len(ends)]
			s, err := measure(ctx, m.endpoint)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", m.name, round+1, err)
			}
			m.samples = append(m.samples, s)
			fmt.Fprintf(os.Stderr, "%-12s round %d: %12.0f/s  p50 %8.0f µs  p99 %8.0f µs  cpu %4.0f µs\n", m.name, round+1, s.rate, s.p50, s.p99, s.cpu)
		}
	}
	return all, nil
}
