package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// writeWAL writes groups of entries; the texts are the entries' bytes.
func writeWAL(t *testing.T, dir string, segment int64, groups ...[]string) *wal {
	t.Helper()
	w := &wal{dir: dir, segment: segment, fsync: true}
	seq := uint64(0)
	for _, group := range groups {
		base := seq
		var b []byte
		for _, text := range group {
			start := len(b)
			b = append(beginFrame(b), text...)
			endFrame(b, start, seq, base)
			seq++
		}
		if err := w.write(b, base); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { w.file.Close() })
	return w
}

func recovered(t *testing.T, dir string) (texts []string, next uint64, err error) {
	t.Helper()
	w := &wal{dir: dir, segment: 1 << 12}
	next, err = w.recover(0, func(seq uint64, entry []byte) error {
		if seq != uint64(len(texts)) {
			t.Fatalf("entry %d comes as number %d", seq, len(texts))
		}
		texts = append(texts, string(entry))
		return nil
	})
	if w.file != nil {
		w.file.Close()
	}
	return texts, next, err
}

// A crash may leave any beginning of the last write. Whatever byte the file ends
// at, or is zero or rubbish from, what remains is the entries before, unchanged,
// and the log goes on behind them.
func TestEveryTornTail(t *testing.T) {
	source := t.TempDir()
	groups := [][]string{{"zero"}, {"one", "two"}, {"three", "", "five"}}
	all := []string{"zero", "one", "two", "three", "", "five"}
	w := writeWAL(t, source, 1<<12, groups...)
	data, err := os.ReadFile(segmentPath(source, 0))
	if err != nil {
		t.Fatal(err)
	}
	written := int(w.off)
	ends := []int{0}
	for _, text := range all {
		ends = append(ends, ends[len(ends)-1]+frameHeader+len(text))
	}
	if ends[len(ends)-1] != written {
		t.Fatalf("%d bytes written, frames end at %v", written, ends)
	}
	lastGroup := ends[3]
	rubbish := make([]byte, len(data))
	rand.NewChaCha8([32]byte{7}).Read(rubbish)
	dir := t.TempDir()
	for cut := 0; cut <= written; cut++ {
		want := 0
		for want+1 < len(ends) && ends[want+1] <= cut {
			want++
		}
		for name, torn := range map[string][]byte{
			"ends":       data[:cut],
			"is zero":    append(bytes.Clone(data[:cut]), make([]byte, len(data)-cut)...),
			"is rubbish": append(bytes.Clone(data[:cut]), rubbish[cut:]...),
		} {
			if err := os.WriteFile(segmentPath(dir, 0), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			texts, next, err := recovered(t, dir)
			if err != nil || next != uint64(want) || fmt.Sprint(texts) != fmt.Sprint(all[:want]) {
				t.Fatalf("file %s from byte %d: %q, next %d, %v; want %d entries", name, cut, texts, next, err, want)
			}
			if again, _, err := recovered(t, dir); err != nil || len(again) != want {
				t.Fatalf("file %s from byte %d, the second time: %q, %v", name, cut, again, err)
			}
		}
		// Pages may reach the disk in any order within the last write, but
		// nothing before it is missing then: that is damage.
		holed := bytes.Clone(data)
		if cut < written {
			holed[cut] ^= 0x55
		}
		if err := os.WriteFile(segmentPath(dir, 0), holed, 0o600); err != nil {
			t.Fatal(err)
		}
		_, next, err := recovered(t, dir)
		switch {
		case cut == written:
			if err != nil || next != 6 {
				t.Fatalf("untouched: next %d, %v", next, err)
			}
		case cut < lastGroup && !errors.Is(err, ErrInconsistent):
			t.Fatalf("byte %d, which was acknowledged, is damaged: next %d, %v", cut, next, err)
		case cut >= lastGroup && (err != nil || next > 5 || next < 3):
			t.Fatalf("byte %d of the last write is damaged: next %d, %v", cut, next, err)
		}
	}
}

func TestSegmentsFollowEachOther(t *testing.T) {
	dir := t.TempDir()
	var groups [][]string
	for i := range 40 {
		groups = append(groups, []string{fmt.Sprintf("%d %s", i, bytes.Repeat([]byte("x"), i*10))})
	}
	writeWAL(t, dir, 1<<10, groups...)
	firsts, err := segments(dir)
	if err != nil || len(firsts) < 5 {
		t.Fatalf("%v, %v", firsts, err)
	}
	r := &walReader{dir: dir}
	defer r.close()
	for i := range 40 {
		entry, err := r.frame()
		if err != nil || string(entry) != groups[i][0] {
			t.Fatalf("entry %d: %q, %v", i, entry, err)
		}
	}
	if _, err := r.frame(); !errors.Is(err, ErrInconsistent) {
		t.Errorf("behind the last entry: %v", err) // and it must come back at all
	}
	for _, from := range []uint64{0, 7, 39} {
		r := &walReader{dir: dir, next: from}
		if entry, err := r.frame(); err != nil || string(entry) != groups[from][0] {
			t.Errorf("from %d: %q, %v", from, entry, err)
		}
		r.close()
	}
	// A segment gone in the middle is a hole in what was acknowledged.
	if err := os.Remove(segmentPath(dir, firsts[2])); err != nil {
		t.Fatal(err)
	}
	if _, _, err := recovered(t, dir); !errors.Is(err, ErrInconsistent) {
		t.Errorf("without a segment: %v", err)
	}
	// Not if the tree has all of it.
	w := &wal{dir: dir, segment: 1 << 10}
	if next, err := w.recover(firsts[3], func(uint64, []byte) error { return nil }); err != nil || next != 40 {
		t.Errorf("with the tree beyond it: %d, %v", next, err)
	} else {
		w.file.Close()
	}
}

// Where the write-ahead log ends before the tree, the log goes on in a segment
// of its own: a gap within one could not be told from damage.
func TestTreeAheadOfTheWriteAheadLog(t *testing.T) {
	dir := t.TempDir()
	writeWAL(t, dir, 1<<12, []string{"zero", "one"})
	w := &wal{dir: dir, segment: 1 << 12, fsync: true}
	next, err := w.recover(5, func(uint64, []byte) error { return nil })
	if err != nil || next != 5 {
		t.Fatalf("next %d, %v", next, err)
	}
	b := append(beginFrame(nil), "five"...)
	endFrame(b, 0, 5, 5)
	if err := w.write(b, 5); err != nil {
		t.Fatal(err)
	}
	w.file.Close()
	var got []string
	again := &wal{dir: dir, segment: 1 << 12}
	next, err = again.recover(5, func(_ uint64, entry []byte) error { got = append(got, string(entry)); return nil })
	if err != nil || next != 6 || fmt.Sprint(got) != "[five]" {
		t.Errorf("%q, next %d, %v", got, next, err)
	}
	again.file.Close()
}

// The largest entry Append takes can be read back.
func TestLargestFrame(t *testing.T) {
	dir := t.TempDir()
	big := string(make([]byte, maxFrame))
	writeWAL(t, dir, 1<<12, []string{"zero"}, []string{big}, []string{"two"})
	r := &walReader{dir: dir}
	defer r.close()
	for i, want := range []string{"zero", big, "two"} {
		if entry, err := r.frame(); err != nil || string(entry) != want {
			t.Fatalf("entry %d has %d bytes, %v", i, len(entry), err)
		}
	}
	if texts, next, err := recovered(t, dir); err != nil || next != 3 || len(texts[1]) != maxFrame {
		t.Errorf("next %d, %v", next, err)
	}
}

func FuzzParseFrame(f *testing.F) {
	b := append(beginFrame(nil), "entry"...)
	endFrame(b, 0, 7, 6)
	f.Add(b)
	f.Add(b[:frameHeader])
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, base, entry, ok := parseFrame(b)
		if !ok {
			return
		}
		again := append(beginFrame(nil), entry...)
		endFrame(again, 0, seq, base)
		if !bytes.HasPrefix(b, again) {
			t.Fatalf("%x is not the frame of what it gives", b)
		}
	})
}

func FuzzSplitSealed(f *testing.F) {
	f.Add([]byte{0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{0, 0, 0, 9})
	f.Add(append([]byte{0, 0, 0, 46, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1}, make([]byte, 36)...))
	f.Add(append([]byte{0, 0, 0, 46, 0, 0, 0, 0, 0, 0, 0, 1, 255, 255}, make([]byte, 36)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, parts, rest, err := splitSealed(b)
		if err != nil {
			return
		}
		used := 14
		for _, p := range parts {
			used += 36 + len(p.data)
		}
		if used+len(rest) != len(b) {
			t.Fatalf("of %d bytes %d were used and %d are left", len(b), used, len(rest))
		}
	})
}
