// Package diff writes how two texts differ, as people know it from diff -u: lines
// taken away, lines added, and three lines around them.
package diff

import (
	"fmt"
	"strings"
)

const (
	around = 3
	// most bounds the work: texts that differ in more lines than that are shown as
	// one taken away whole and one added.
	most = 1000
)

// Unified gives the differences under two names; nothing when the texts are equal.
// What a terminal would act on is shown as the escape it is.
func Unified(oldName, newName, from, to string) string {
	if from == to {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldName, newName)
	edits := edit(lines(from), lines(to))
	for start := 0; start < len(edits); {
		if edits[start].sign == ' ' {
			start++
			continue
		}
		end, same := start, 0
		for i := start; i < len(edits) && same <= 2*around; i++ {
			if same++; edits[i].sign != ' ' {
				end, same = i+1, 0
			}
		}
		hunk(&out, edits[max(0, start-around):min(len(edits), end+around)])
		start = end
	}
	return out.String()
}

// line is one line of the result, with its number in both texts, from 1.
type line struct {
	sign     byte // ' ', '-', '+'
	text     string
	from, to int
}

func hunk(out *strings.Builder, list []line) {
	minus, plus := 0, 0
	for _, l := range list {
		if l.sign != '+' {
			minus++
		}
		if l.sign != '-' {
			plus++
		}
	}
	place := func(first, n int) string {
		if n == 0 {
			first-- // as diff does: after which line
		}
		return fmt.Sprintf("%d,%d", first, n)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", place(list[0].from, minus), place(list[0].to, plus))
	for _, l := range list {
		fmt.Fprintf(out, "%c%s\n", l.sign, printable(l.text))
	}
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	list := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	if !strings.HasSuffix(s, "\n") {
		list[len(list)-1] += " (no newline at the end)"
	}
	return list
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r >= ' ' && (r < 0x7f || r > 0x9f) && !(r >= 0x202a && r <= 0x202e) && !(r >= 0x2066 && r <= 0x2069):
			return r
		}
		return '\ufffd' // control characters, and those that turn the direction of writing
	}, s)
}

// edit gives all lines of both texts in order: Myers, An O(ND) Difference
// Algorithm (1986), on what is left without the common beginning and end.
func edit(a, b []string) (out []line) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	signs := []byte(strings.Repeat(" ", head) + script(a[head:len(a)-tail], b[head:len(b)-tail]) + strings.Repeat(" ", tail))
	i, j := 0, 0
	for _, s := range signs {
		l := line{sign: s, from: i + 1, to: j + 1}
		if s == '+' {
			l.text = b[j]
		} else {
			l.text = a[i]
		}
		if s != '+' {
			i++
		}
		if s != '-' {
			j++
		}
		out = append(out, l)
	}
	return out
}

// script gives one sign for each line of the result.
func script(a, b []string) string {
	whole := strings.Repeat("-", len(a)) + strings.Repeat("+", len(b))
	limit := min(len(a)+len(b), most)
	v := make([]int, 2*limit+3) // v[k+limit+1] is how far a was read on diagonal k
	var trace [][]int           // of each round, the diagonals it could have come from
	for d := 0; d <= limit; d++ {
		trace = append(trace, append([]int(nil), v[limit+1-d:limit+2+d]...))
		for k := -d; k <= d; k += 2 {
			at := k + limit + 1
			x := v[at-1] + 1
			if k == -d || k != d && v[at-1] < v[at+1] {
				x = v[at+1]
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			if v[at] = x; x >= len(a) && y >= len(b) {
				return back(trace, len(a), len(b))
			}
		}
	}
	return whole
}

// back walks the rounds from the end to the beginning.
func back(trace [][]int, x, y int) string {
	var signs []byte
	for d := len(trace) - 1; d > 0; d-- {
		v := func(k int) int { return trace[d][k+d] } // as it was before round d
		k := x - y
		down := k == -d || k != d && v(k-1) < v(k+1)
		prev, sign := k-1, byte('-')
		if down {
			prev, sign = k+1, '+'
		}
		px := v(prev)
		py := px - prev
		for x > px && y > py && !(down && x == px) && !(!down && y == py) {
			signs, x, y = append(signs, ' '), x-1, y-1
		}
		signs, x, y = append(signs, sign), px, py
	}
	for ; x > 0; x-- {
		signs = append(signs, ' ')
	}
	for i, j := 0, len(signs)-1; i < j; i, j = i+1, j-1 {
		signs[i], signs[j] = signs[j], signs[i]
	}
	return string(signs)
}
