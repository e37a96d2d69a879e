package diff

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	if got := Unified("a", "b", "x\n", "x\n"); got != "" {
		t.Errorf("equal texts: %q", got)
	}
	got := Unified("old", "new", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n")
	want := "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -10,3 +10,4 @@\n 10\n 11\n 12\n+13\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, c := range []struct{ from, to, want string }{
		{"", "a\n", "@@ -0,0 +1,1 @@\n+a\n"},
		{"a\n", "", "@@ -1,1 +0,0 @@\n-a\n"},
		{"a", "a\n", "-a (no newline at the end)\n+a\n"},
		{"", "\x1b[2Jclear\n", "+\ufffd[2Jclear\n"},
		{"", "a\u202eb\n", "+a\ufffdb\n"},
	} {
		if got := Unified("a", "b", c.from, c.to); !strings.HasSuffix(got, c.want) {
			t.Errorf("%q to %q: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// TestPatchUnderstandsIt has patch(1) make one text of the other.
func TestPatchUnderstandsIt(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		t.Fatal("patch is missing: apt-get install patch")
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range r.IntN(40) {
			b.WriteString(string(rune('a'+r.IntN(6))) + "\n")
		}
		return b.String()
	}
	for i := range 40 {
		from, to := text(), text()
		if i%2 == 0 && from != "" { // alike
			k := r.IntN(len(from) / 2)
			to = from[:2*k] + "new\n" + from[2*k+2:]
		}
		d := Unified("f", "f", from, to)
		if d == "" {
			continue
		}
		name := filepath.Join(dir, "f")
		if err := os.WriteFile(name, []byte(from), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("patch", "-s", "-E", name)
		cmd.Stdin = strings.NewReader(d)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, d)
		}
		got, err := os.ReadFile(name)
		if err != nil && to != "" {
			t.Fatal(err)
		}
		if string(got) != to {
			t.Fatalf("from\n%s\nto\n%s\ndifference\n%s\ngot\n%s", from, to, d, got)
		}
	}
}

func TestTextsTooDifferentAreShownWhole(t *testing.T) {
	from, to := strings.Repeat("a\n", most), strings.Repeat("b\n", most)
	got := Unified("a", "b", "same\n"+from, "same\n"+to)
	if strings.Count(got, "\n-a") != most || strings.Count(got, "\n+b") != most {
		t.Errorf("%d bytes", len(got))
	}
}
