package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// span is a time as people say how long: 30m, 8h, 1d, 1d12h, 2w.
type span time.Duration

// UnmarshalText reads weeks and days of 24 hours before what Go reads.
func (s *span) UnmarshalText(text []byte) error {
	var whole time.Duration
	rest := string(text)
	for _, u := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		digits, more, ok := strings.Cut(rest, u.letter)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil {
			return wrongSpan(text)
		}
		whole, rest = whole+time.Duration(n)*u.length, more
	}
	if rest != "" || len(text) == 0 {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return wrongSpan(text)
		}
		whole += d
	}
	*s = span(whole)
	return nil
}

func wrongSpan(text []byte) error {
	return fmt.Errorf("%q is not a time such as 30m, 8h, 1d or 1d12h", text)
}
