package record_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trefoil-dev/trefoil/record"
)

func sampleLeaf() record.Leaf {
	return record.Leaf{Gate: "eu-1", Epoch: 3, Seq: 7, Time: 1767225600000000, Kind: record.KindStatement, Outcome: record.None,
		Purpose: "support", Prev: record.LeafHash([]byte("before")), Commit: record.Root(nil)}
}

func TestLeafHasOneForm(t *testing.T) {
	leaf := sampleLeaf()
	good := string(leaf.AppendText(nil))
	if got, err := record.ParseLeaf([]byte(good)); err != nil || got != leaf {
		t.Fatalf("%+v, %v", got, err)
	}
	commit := leaf.Commit.String()
	for name, bad := range map[string]string{
		"empty":                   "",
		"first line alone":        "trefoil/leaf/v1\n",
		"other version":           strings.Replace(good, "leaf/v1", "leaf/v2", 1),
		"no last newline":         strings.TrimSuffix(good, "\n"),
		"one newline more":        good + "\n",
		"one line more":           good + "note x\n",
		"carriage returns":        strings.ReplaceAll(good, "\n", "\r\n"),
		"two spaces":              strings.Replace(good, "gate ", "gate  ", 1),
		"space at the end":        strings.Replace(good, "\nepoch", " \nepoch", 1),
		"lines swapped":           strings.Replace(good, "epoch 3\nseq 7\n", "seq 7\nepoch 3\n", 1),
		"line twice":              strings.Replace(good, "seq 7\n", "seq 7\nseq 7\n", 1),
		"line missing":            strings.Replace(good, "seq 7\n", "", 1),
		"leading zero":            strings.Replace(good, "seq 7", "seq 07", 1),
		"plus":                    strings.Replace(good, "seq 7", "seq +7", 1),
		"negative":                strings.Replace(good, "seq 7", "seq -7", 1),
		"not a number":            strings.Replace(good, "seq 7", "seq x", 1),
		"hexadecimal":             strings.Replace(good, "seq 7", "seq 0x7", 1),
		"sequence of 64 bits":     strings.Replace(good, "seq 7", "seq 9223372036854775808", 1),
		"time before 1970":        strings.Replace(good, "time 1", "time -1", 1),
		"unknown kind":            strings.Replace(good, "kind statement", "kind statementz", 1),
		"unknown outcome":         strings.Replace(good, "outcome -", "outcome maybe", 1),
		"empty outcome":           strings.Replace(good, "outcome -", "outcome ", 1),
		"empty purpose":           strings.Replace(good, "purpose support", "purpose ", 1),
		"purpose in capitals":     strings.Replace(good, "purpose support", "purpose Support", 1),
		"purpose with a hyphen":   strings.Replace(good, "purpose support", "purpose support-", 1),
		"purpose of 33":           strings.Replace(good, "purpose support", "purpose "+strings.Repeat("a", 33), 1),
		"purpose with a name":     strings.Replace(good, "purpose support", "purpose jonas lind", 1),
		"gate missing":            strings.Replace(good, "gate eu-1", "gate ", 1),
		"hash of 31 bytes":        strings.Replace(good, commit, base64.StdEncoding.EncodeToString(make([]byte, 31)), 1),
		"hash of 33 bytes":        strings.Replace(good, commit, base64.StdEncoding.EncodeToString(make([]byte, 33)), 1),
		"hash without padding":    strings.Replace(good, commit, strings.TrimRight(commit, "="), 1),
		"hash in URL's alphabet":  strings.Replace(good, commit, strings.NewReplacer("+", "-", "/", "_").Replace(commit), 1),
		"hash with loose bits":    strings.Replace(good, commit, commit[:42]+"V=", 1),
		"hash broken by a return": strings.Replace(good, commit, commit[:10]+"\r"+commit[10:], 1),
		"hash broken in two":      strings.Replace(good, commit, commit[:10]+"\n"+commit[10:], 1),
	} {
		if bad == good {
			t.Errorf("%s: the sample does not change anything", name)
		}
		if got, err := record.ParseLeaf([]byte(bad)); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

func TestChainNamesTheEntryAtFault(t *testing.T) {
	make := func(n uint64, change func(*record.Leaf)) [][]byte {
		var out [][]byte
		var prev record.Hash
		for seq := range n {
			l := record.Leaf{Gate: "eu-1", Seq: seq, Time: int64(100 + seq), Kind: record.KindResult, Outcome: record.Complete, Prev: prev}
			if seq == 2 {
				change(&l)
			}
			out = append(out, l.AppendText(nil))
			prev = record.LeafHash(out[seq])
		}
		return out
	}
	for name, c := range map[string]struct {
		change func(*record.Leaf)
		want   uint64
	}{
		"another place":      {func(l *record.Leaf) { l.Seq = 3 }, 2},
		"another prev":       {func(l *record.Leaf) { l.Prev[0] ^= 1 }, 1},
		"time going back":    {func(l *record.Leaf) { l.Time = 100 }, 2},
		"kind out of nought": {func(l *record.Leaf) { l.Kind = "party" }, 2},
	} {
		var chain record.Chain
		var err error
		for _, leaf := range make(4, c.change) {
			if _, err = chain.Follow(leaf); err != nil {
				break
			}
		}
		var f *record.Fault
		if !errors.As(err, &f) || f.Seq != c.want {
			t.Errorf("%s: %v, want entry %d", name, err, c.want)
		}
	}
	var chain record.Chain
	leaf := sampleLeaf()
	leaf.Seq = 0
	if _, err := chain.Follow(leaf.AppendText(nil)); err == nil {
		t.Error("genesis with an entry before it was taken")
	}
}

func TestParseCanonicalIsStrict(t *testing.T) {
	good := `{"case":"","session":4712,"state":"0A000","why":"ü"}`
	type body struct {
		Case    string `json:"case"`
		Session uint64 `json:"session"`
		State   string `json:"state"`
		Why     string `json:"why"`
		Login   string `json:"login,omitempty"`
	}
	var v body
	if err := record.ParseCanonical([]byte(good), &v); err != nil || v.Session != 4712 || v.Why != "ü" {
		t.Fatalf("%+v, %v", v, err)
	}
	for name, bad := range map[string]string{
		"nothing":              "",
		"cut short":            good[:len(good)-1],
		"space":                `{ "case":"","session":4712,"state":"0A000","why":"ü"}`,
		"newline at the end":   good + "\n",
		"another value behind": good + "{}",
		"order":                `{"session":4712,"case":"","state":"0A000","why":"ü"}`,
		"escaped letter":       strings.Replace(good, "ü", `\u00fc`, 1),
		"escaped slash":        strings.Replace(good, "ü", `\/`, 1),
		"lone surrogate":       strings.Replace(good, "ü", `\ud800`, 1),
		"not UTF-8":            strings.Replace(good, "ü", "\xff", 1),
		"exponent":             strings.Replace(good, "4712", "4712e0", 1),
		"fraction":             strings.Replace(good, "4712", "4712.0", 1),
		"54 bits":              strings.Replace(good, "4712", "9007199254740992", 1),
		"field twice":          strings.Replace(good, `"state"`, `"session":4712,"state"`, 1),
		"unknown field":        strings.Replace(good, `"why"`, `"tone":1,"why"`, 1),
		"field missing":        strings.Replace(good, `"case":"",`, "", 1),
		"empty optional field": strings.Replace(good, `"session"`, `"login":"","session"`, 1),
		"name in capitals":     strings.Replace(good, `{"case"`, `{"Case"`, 1),
		"null for a string":    strings.Replace(good, `"ü"`, "null", 1),
		"string for a number":  strings.Replace(good, "4712", `"4712"`, 1),
		"deep nesting":         strings.Repeat("[", 1_000_000),
	} {
		var v body
		if err := record.ParseCanonical([]byte(bad), &v); err == nil {
			t.Errorf("%s: taken as %+v", name, v)
		}
	}
}

func TestIDsAreRefused(t *testing.T) {
	for _, bad := range []string{"", "g", "g-", "g-a", "g-aab", "aaab", "s-aaab", "G-aaab", "g-AAAB", "g-aaa1", "g-aaa8", "g-aaaab", "g-aaa b",
		"g-aaab\n", " g-aaab", "g-qaaaaaaaaaaaa", "g-7777777777777", "g-baaaaaaaaaaaaa", "g-aaüb", "g--aaab"} {
		if seq, err := record.ParseID('g', bad); err == nil {
			t.Errorf("%q was taken as %d", bad, seq)
		}
	}
}

func TestSealedPartsCannotBeExchanged(t *testing.T) {
	a, b := record.NewPart("subject/0", []byte("ada")), record.NewPart("subject/1", []byte("bob"))
	sealedA, keyA := record.Seal(nil, 7, &a)
	sealedB, keyB := record.Seal([]byte("head"), 7, &b)
	if !bytes.HasPrefix(sealedB, []byte("head")) || bytes.Contains(sealedA, []byte("ada")) {
		t.Error("Seal does not append, or does not hide")
	}
	sealedB = sealedB[4:]
	if p, err := record.Open(7, keyB, sealedB); err != nil || p.Hash() != b.Hash() || p.Name != b.Name {
		t.Errorf("%+v, %v", p, err)
	}
	for name, c := range map[string]struct {
		seq    uint64
		key    record.Key
		sealed []byte
	}{
		"another place":    {8, keyA, sealedA},
		"another key":      {7, keyB, sealedA},
		"another part":     {7, keyA, sealedB},
		"altered":          {7, keyA, append(bytes.Clone(sealedA[:len(sealedA)-1]), sealedA[len(sealedA)-1]^1)},
		"cut short":        {7, keyA, sealedA[:10]},
		"nothing":          {7, keyA, nil},
		"sealed by nobody": {7, keyA, make([]byte, 64)},
	} {
		if p, err := record.Open(c.seq, c.key, c.sealed); err == nil || errors.Is(err, record.ErrErased) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := record.Open(7, record.Key{}, sealedA); !errors.Is(err, record.ErrErased) {
		t.Errorf("with its key destroyed: %v", err)
	}
	if _, again := record.Seal(nil, 7, &a); again == keyA {
		t.Error("a key was used twice")
	}
}

func TestDraftAllocatesNothing(t *testing.T) {
	body, text := bytes.Repeat([]byte("b"), 100), bytes.Repeat([]byte("t"), 700)
	var d record.Draft
	var last record.Hash
	n := testing.AllocsPerRun(1000, func() {
		d.Reset(record.KindStatement, record.None, "support")
		d.Add(record.PartActor, body)
		d.Add(record.PartDecision, body)
		d.Add(record.PartStatement, text)
		if c := d.Commit(); c == last {
			t.Fatal("two drafts with fresh salts have the same commitment")
		} else {
			last = c
		}
	})
	if n != 0 {
		t.Errorf("%v allocations an entry", n)
	}
}

func TestDraftIsChecked(t *testing.T) {
	var d record.Draft
	if d.Reset(record.KindResult, record.Complete, ""); d.Check() == nil {
		t.Error("a draft without parts was taken")
	}
	for _, name := range []string{"", "Actor", "a b", "ä", "a\x00", strings.Repeat("a", 65)} {
		d.Reset(record.KindResult, record.Complete, "")
		if d.Add(name, nil); d.Check() == nil {
			t.Errorf("a part named %q was taken", name)
		}
	}
	d.Reset(record.KindResult, record.Complete, "")
	for range record.MaxParts {
		d.Add("subject/0", nil)
	}
	if err := d.Check(); err != nil {
		t.Errorf("%d parts: %v", record.MaxParts, err)
	}
	if d.Add("subject/0", nil); d.Check() == nil {
		t.Errorf("%d parts were taken", record.MaxParts+1)
	}
	d.Reset(record.KindResult, record.Complete, "")
	if d.Add("statement", make([]byte, record.MaxPart+1)); d.Check() == nil {
		t.Error("a part of more than the largest size was taken")
	}
}

// A commitment holds the parts' order, number, names, salts and bytes.
func TestCommitBindsEverything(t *testing.T) {
	parts := func() []record.Part {
		return []record.Part{{Name: "actor", Data: []byte("ab")}, {Name: "decision", Data: []byte("c")}, {Name: "statement"}}
	}
	want := record.Commit(parts())
	for name, change := range map[string]func([]record.Part) []record.Part{
		"order":           func(p []record.Part) []record.Part { p[0], p[1] = p[1], p[0]; return p },
		"one less":        func(p []record.Part) []record.Part { return p[:2] },
		"one more":        func(p []record.Part) []record.Part { return append(p, record.Part{Name: "reason"}) },
		"salt":            func(p []record.Part) []record.Part { p[1].Salt[31] = 1; return p },
		"name":            func(p []record.Part) []record.Part { p[1].Name = "decisiom"; return p },
		"data":            func(p []record.Part) []record.Part { p[1].Data = []byte("d"); return p },
		"name takes data": func(p []record.Part) []record.Part { p[0].Name, p[0].Data = "actora", []byte("b"); return p },
	} {
		if record.Commit(change(parts())) == want {
			t.Errorf("%s does not change the commitment", name)
		}
	}
	long := record.Part{Name: "statement", Data: make([]byte, 5000)} // hashed piecewise
	a := long.Hash()
	long.Data[4999] = 1
	if long.Hash() == a {
		t.Error("the end of a long part does not count")
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x1f\x7f", "\"\\/", "ü€🙂", "\xff\xc3", "\u2028<&>", "\xed\xa0\x80", "\xf0\x9f\x99"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := record.AppendString(nil, s)
		if !bytes.Equal(got, record.AppendBytes(nil, []byte(s))) {
			t.Fatalf("%q: text and bytes differ", s)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Fatalf("%q gives %s, read back as %q, %v", s, got, back, err)
		}
		if again, err := record.Canonical(back); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q: %s, and as JSON %s, %v", s, got, again, err)
		}
	})
}

func FuzzParseLeaf(f *testing.F) {
	leaf := sampleLeaf()
	f.Add(leaf.AppendText(nil))
	f.Add([]byte("trefoil/leaf/v1\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := record.ParseLeaf(b)
		if err == nil && !bytes.Equal(l.AppendText(nil), b) {
			t.Fatalf("%q is taken for %+v", b, l)
		}
	})
}

func FuzzSplitEntry(f *testing.F) {
	leaf := sampleLeaf()
	f.Add(record.AppendEntry(nil, leaf.AppendText(nil), []record.Part{record.NewPart("actor", []byte("x")), record.NewPart("decision", nil)}))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 255, 255})
	f.Add([]byte{0, 0, 0, 1, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		leaf, parts, err := record.SplitEntry(b)
		if err == nil && !bytes.Equal(record.AppendEntry(nil, leaf, parts), b) {
			t.Fatalf("%x does not come together again", b)
		}
	})
}

func FuzzParseCanonical(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,-1,null,true,"x"]}`, `{"b":1,"a":2}`, `"\u0000"`, `1e5`, `{"a":1,"a":1}`, `[[[`, `"\ud83d"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		if err := record.ParseCanonical(b, &v); err != nil {
			return
		}
		if n, ok := v.(float64); ok && math.Abs(n) > 1<<53-1 {
			t.Fatalf("%s is beyond 53 bits", b)
		}
		var raw json.RawMessage
		if err := record.ParseCanonical(b, &raw); err != nil || !utf8.Valid(b) {
			t.Fatalf("%q: %v", b, err)
		}
	})
}
