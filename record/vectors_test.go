package record_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// The vectors are committed and never rewritten by a test: a change that makes
// one of them fail changes what is already in people's logs. 64-bit numbers are
// strings, hashes base64, bytes hex.
type (
	leafVector struct {
		Gate    string `json:"gate"`
		Epoch   string `json:"epoch"`
		Seq     string `json:"seq"`
		Time    string `json:"time"`
		Kind    string `json:"kind"`
		Rules   string `json:"rules"`
		Outcome string `json:"outcome"`
		Purpose string `json:"purpose"`
		Prev    string `json:"prev"`
	}
	partVector struct {
		Name string `json:"name"`
		Salt string `json:"salt"`
		Data string `json:"data"`
		Hash string `json:"hash"`
	}
	logVector struct {
		Leaf     leafVector   `json:"leaf"`
		Parts    []partVector `json:"parts"`
		Commit   string       `json:"commit"`
		Text     string       `json:"text"`     // the leaf's bytes
		LeafHash string       `json:"leafHash"` //
		Entry    string       `json:"entry"`    // as the write-ahead log frames it
		Root     string       `json:"root"`     // of the log up to this entry
	}
	batchVector struct {
		Salt   string     `json:"salt"`
		Lines  []string   `json:"lines"`
		Salts  []string   `json:"salts"` // each line's own
		Hashes []string   `json:"hashes"`
		Root   string     `json:"root"`
		Paths  [][]string `json:"paths"` // of each line
	}
	sealVector struct {
		Seq    string     `json:"seq"`
		Key    string     `json:"key"`
		Sealed string     `json:"sealed"`
		Part   partVector `json:"part"`
	}
	idVector struct {
		Seq string `json:"seq"`
		ID  string `json:"id"`
	}
	canonVector struct {
		In  string  `json:"in"`
		Out *string `json:"out"` // null: refused
	}
)

func vectors[T any](t *testing.T, name string) (v []T) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil || len(v) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(v), err)
	}
	return v
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (v partVector) part(t *testing.T) record.Part {
	t.Helper()
	p := record.Part{Name: v.Name, Data: unhex(t, v.Data)}
	if copy(p.Salt[:], unhex(t, v.Salt)) != 32 {
		t.Fatalf("salt of %s", v.Name)
	}
	return p
}

func TestLogVectors(t *testing.T) {
	var chain record.Chain
	var tree proof.Frontier
	for _, v := range vectors[logVector](t, "log.json") {
		var parts []record.Part
		for _, pv := range v.Parts {
			p := pv.part(t)
			if p.Hash().String() != pv.Hash {
				t.Errorf("entry %s, part %s: hash %s, want %s", v.Leaf.Seq, p.Name, p.Hash(), pv.Hash)
			}
			parts = append(parts, p)
		}
		commit := record.Commit(parts)
		if commit.String() != v.Commit {
			t.Errorf("entry %s: commit %s, want %s", v.Leaf.Seq, commit, v.Commit)
		}
		leaf, err := chain.Follow([]byte(v.Text))
		if err != nil {
			t.Fatal(err)
		}
		if got := (leafVector{leaf.Gate, strconv.FormatUint(leaf.Epoch, 10), strconv.FormatUint(leaf.Seq, 10), strconv.FormatInt(leaf.Time, 10),
			string(leaf.Kind), leaf.Rules.String(), string(leaf.Outcome), leaf.Purpose, leaf.Prev.String()}); got != v.Leaf || leaf.Commit != commit {
			t.Errorf("leaf %+v\nwant %+v", got, v.Leaf)
		}
		if text := leaf.AppendText(nil); string(text) != v.Text || leaf.Hash().String() != v.LeafHash {
			t.Errorf("entry %s: leaf hash %s, want %s\n%s", v.Leaf.Seq, leaf.Hash(), v.LeafHash, text)
		}
		if tree.Add(leaf.Hash()); tree.Root().String() != v.Root {
			t.Errorf("root of the log up to entry %s: %s, want %s", v.Leaf.Seq, tree.Root(), v.Root)
		}
		entry := unhex(t, v.Entry)
		if got := record.AppendEntry(nil, []byte(v.Text), parts); !bytes.Equal(got, entry) {
			t.Errorf("entry %s: bytes %x, want %x", v.Leaf.Seq, got, entry)
		}
		text, split, err := record.SplitEntry(entry)
		if err != nil || string(text) != v.Text || record.Commit(split) != commit || len(split) != len(parts) {
			t.Errorf("entry %s does not split into what it was made of: %v", v.Leaf.Seq, err)
		}
	}
}

// Every kind has a vector, so that a new one cannot be forgotten.
func TestEveryKindHasAVector(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors[logVector](t, "log.json") {
		seen[v.Leaf.Kind] = true
	}
	for _, k := range record.Kinds() {
		if !seen[string(k)] {
			t.Errorf("no vector of kind %s", k)
		}
	}
}

func TestBatchVectors(t *testing.T) {
	for _, v := range vectors[batchVector](t, "statements.json") {
		b := record.Batch{Salt: unhex(t, v.Salt)}
		for _, line := range v.Lines {
			b.Lines = append(b.Lines, json.RawMessage(line))
		}
		hashes := b.Hashes()
		if root := record.Root(hashes); root.String() != v.Root {
			t.Errorf("root of %d lines: %s, want %s", len(v.Lines), root, v.Root)
		}
		for i, h := range hashes {
			salt := record.LineSalt((*[32]byte)(b.Salt), uint64(i))
			path := []string{}
			for _, p := range record.Path(hashes, i) {
				path = append(path, p.String())
			}
			if hex.EncodeToString(salt[:]) != v.Salts[i] || h.String() != v.Hashes[i] || !slices.Equal(path, v.Paths[i]) {
				t.Errorf("line %d of %d: salt %x, hash %s, path %v", i, len(v.Lines), salt, h, path)
			}
			if _, err := record.ParseLine(b.Lines[i]); err != nil {
				t.Errorf("line %s: %v", b.Lines[i], err)
			}
		}
	}
}

func TestSealedVectors(t *testing.T) {
	for _, v := range vectors[sealVector](t, "sealed.json") {
		want := v.Part.part(t)
		p, err := record.Open(number(t, v.Seq), record.Key(unhex(t, v.Key)), unhex(t, v.Sealed))
		if err != nil || p.Name != want.Name || p.Salt != want.Salt || !bytes.Equal(p.Data, want.Data) || p.Hash().String() != v.Part.Hash {
			t.Errorf("%+v, %v; want %+v", p, err, want)
		}
	}
}

func TestCanonicalVectors(t *testing.T) {
	for _, v := range vectors[canonVector](t, "canonical.json") {
		got, err := record.Canonical(json.RawMessage(v.In))
		switch {
		case v.Out == nil && err == nil:
			t.Errorf("%s was accepted as %s", v.In, got)
		case v.Out != nil && (err != nil || string(got) != *v.Out):
			t.Errorf("%s gives %s, %v; want %s", v.In, got, err, *v.Out)
		case v.Out != nil:
			var raw json.RawMessage
			if err := record.ParseCanonical(got, &raw); err != nil {
				t.Errorf("%s: what is canonical is refused: %v", got, err)
			}
			if string(got) != v.In && record.ParseCanonical([]byte(v.In), &raw) == nil {
				t.Errorf("%s: another spelling of the same value is taken", v.In)
			}
		}
	}
}

func TestIDVectors(t *testing.T) {
	for _, v := range vectors[idVector](t, "ids.json") {
		seq, err := record.ParseID('g', v.ID)
		if got := record.ID('g', number(t, v.Seq)); got != v.ID || err != nil || seq != number(t, v.Seq) {
			t.Errorf("%s: %s, %d, %v; want %s", v.Seq, got, seq, err, v.ID)
		}
	}
}

// A second implementation, in another language, agrees with every vector.
func TestSecondImplementation(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing; install it with: apt-get install nodejs (or brew install node)")
	}
	out, err := exec.Command(node, "testdata/vectors.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := 0
	want += len(vectors[logVector](t, "log.json")) + len(vectors[sealVector](t, "sealed.json"))
	want += len(vectors[batchVector](t, "statements.json"))
	want += len(vectors[canonVector](t, "canonical.json")) + len(vectors[idVector](t, "ids.json"))
	if got := string(bytes.TrimSpace(out)); got != strconv.Itoa(want)+" vectors agree" {
		t.Errorf("%q, want %d vectors", got, want)
	}
}
