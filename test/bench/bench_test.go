package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRowsAreCountedAcrossReads(t *testing.T) {
	answer := "T\x00\x00\x00\x06\x00\x00" + strings.Repeat("D\x00\x00\x00\x09D\x00\x00\x00Z", 3) + "C\x00\x00\x00\x09SELE\x00" + "Z\x00\x00\x00\x05I"
	for size := 1; size <= len(answer); size++ {
		var c counter
		for chunk := range slices.Chunk([]byte(answer), size) {
			if c.ready {
				t.Fatalf("in pieces of %d: ready before the end", size)
			}
			if err := c.feed(chunk); err != nil {
				t.Fatal(err)
			}
		}
		if c.rows != 3 || !c.ready {
			t.Errorf("in pieces of %d: %d rows, ready %v", size, c.rows, c.ready)
		}
	}
	var c counter
	if err := c.feed([]byte("E\x00\x00\x00\x0fSERROR\x00\x00")); err == nil || !strings.Contains(err.Error(), "SERROR") {
		t.Errorf("an error of the server is taken for rows: %v", err)
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	// The machine slows down threefold; the ratio does not move.
	set := []measured{
		{endpoint{name: "gate"}, []sample{{rate: 60}, {rate: 20}, {rate: 42}}},
		{endpoint{name: "direct"}, []sample{{rate: 100}, {rate: 40}, {rate: 70}}},
	}
	if got := ratio(set, "gate", "direct"); got != "0.60 (0.50–0.60)" {
		t.Error(got)
	}
}

func TestFiguresOfGoTest(t *testing.T) {
	got := parseFigures([]byte("goos: linux\nBenchmarkAppendWait/writers=8-2   \t  500\t 3121 ns/op\t 88 p50-µs\nBenchmarkVerify \t 3\t 9 ns/op\nok  \tx\t1s\n"))
	if len(got) != 2 || got[0].name != "AppendWait/writers=8" || !slices.Equal(got[0].values, []string{"3121 ns/op", "88 p50-µs"}) || got[1].name != "Verify" {
		t.Errorf("%q", got)
	}
}

func TestLensLines(t *testing.T) {
	got := lensLines(parseFigures([]byte("BenchmarkLens/bulk/point-2 \t 300\t 9 ns/op\t 250 base-µs\t 1.25 lens/base\t 312 lens-µs\nBenchmarkLens/fence-2 \t 3\t 9 ns/op\n")))
	if !slices.Equal(got, []string{"| bulk/point | **1.25** | 0.31 | 0.25 |"}) {
		t.Errorf("%q", got)
	}
}

func TestOnlyWhatStandsBetweenTheMarkersIsReplaced(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(doc, []byte("a\n"+beginMark+"\nold\n"+endMark+"\nz\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := fill(doc, "new\n"); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(doc); string(b) != "a\n"+beginMark+"\nnew\n"+endMark+"\nz\n" {
		t.Errorf("%q", b)
	}
	if err := os.WriteFile(doc, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := fill(doc, "new\n"); err == nil {
		t.Error("a document without markers was overwritten")
	}
}
