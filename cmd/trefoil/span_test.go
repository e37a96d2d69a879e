package main

import (
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "8h": 8 * time.Hour, "1d": 24 * time.Hour, "1d12h": 36 * time.Hour, "2w": 14 * 24 * time.Hour, "1w1d1h": 193 * time.Hour,
		"": -1, "d": -1, "1": -1, "1x": -1, "12h1d": -1, "-1d": -1, "1d1w": -1, "99999999d": -1,
	} {
		var s span
		if err := s.UnmarshalText([]byte(text)); (err != nil) != (want < 0) || err == nil && time.Duration(s) != want {
			t.Errorf("%q is %s, %v", text, time.Duration(s), err)
		}
	}
}
