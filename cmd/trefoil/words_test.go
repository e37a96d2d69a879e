package main

import (
	"testing"

	"github.com/trefoil-dev/trefoil/record"
)

// Whoever adds a kind says in words what its entries hold.
func TestEveryKindIsToldInWords(t *testing.T) {
	f := facts{Reason: "asked to", Login: "jonas"}
	for _, k := range record.Kinds() {
		if k != record.KindGenesis && f.of(record.Leaf{Kind: k}) == "" {
			t.Errorf("a line of kind %s says nothing about it", k)
		}
	}
}

func TestRefusalsInWords(t *testing.T) {
	for _, c := range []struct {
		facts facts
		want  string
	}{
		{facts{Request: 5, Reasons: []string{"case-reference", "known-purpose"}}, "r-aaaf by rule case-reference, known-purpose"},
		{facts{Request: 5}, "r-aaaf: no rule permits it"},
		{facts{Request: 5, Attempt: 9, Grant: 6, Reasons: []string{"third-country-law"}}, "g-aaag by rule third-country-law"},
		{facts{Request: 5, Attempt: 9, Grant: 6, Why: "grant g-aaag is not in force"}, "g-aaag: grant g-aaag is not in force"},
		{facts{Session: 10, State: "0A000", Why: "EXPLAIN is not served"}, "in session 10, SQLSTATE 0A000: EXPLAIN is not served"},
	} {
		if got := c.facts.of(record.Leaf{Kind: record.KindRefusal}); got != c.want {
			t.Errorf("%+v: %q, want %q", c.facts, got, c.want)
		}
	}
}

func TestLengthReadsLikeTheFlag(t *testing.T) {
	for seconds, want := range map[int64]string{28800: "8h", 5400: "1h30m", 600: "10m", 90: "1m30s", 10: "10s", 3610: "1h0m10s", 86400 * 31: "744h"} {
		if got := length(seconds); got != want {
			t.Errorf("%d s is %q, want %q", seconds, got, want)
		}
	}
}

// A gate that listens on every address is reached where its API was.
func TestWhereToConnect(t *testing.T) {
	for _, c := range []struct{ listen, url, host, port string }{
		{"10.0.0.5:6432", "https://gate.example:6433", "10.0.0.5", "6432"},
		{"0.0.0.0:6432", "https://gate.example:6433", "gate.example", "6432"},
		{":6432", "https://[2001:db8::1]:6433", "2001:db8::1", "6432"},
		{"[::]:6432", "", "localhost", "6432"},
	} {
		show := showCmd{connection: connection{URL: c.url}}
		if host, port := show.gateAddr(c.listen); host != c.host || port != c.port {
			t.Errorf("%s over %q: %s %s, want %s %s", c.listen, c.url, host, port, c.host, c.port)
		}
	}
	for value, want := range map[string]string{"/etc/ca.pem": "/etc/ca.pem", "/my files/ca.pem": "'/my files/ca.pem'", `/it's\ca`: `'/it\'s\\ca'`} {
		if got := quoted(value); got != want {
			t.Errorf("%s is quoted %s, want %s", value, got, want)
		}
	}
}
