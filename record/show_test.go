package record_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/record"
)

// batchEntry is the batch among the vectors.
func batchEntry(t *testing.T) record.Entry {
	t.Helper()
	for _, v := range vectors[logVector](t, "log.json") {
		if v.Leaf.Kind == string(record.KindStatements) {
			leaf, parts, err := record.SplitEntry(unhex(t, v.Entry))
			if err != nil {
				t.Fatal(err)
			}
			l, err := record.ParseLeaf(leaf)
			if err != nil {
				t.Fatal(err)
			}
			return record.Entry{Leaf: l, Parts: parts}
		}
	}
	t.Fatal("there is no batch among the vectors")
	return record.Entry{}
}

func TestABatchReads(t *testing.T) {
	e := batchEntry(t)
	data, _ := e.Part(record.PartStatement)
	b, err := record.ParseBatch(data)
	if err != nil {
		t.Fatal(err)
	}
	var body record.Statements
	var digest record.BatchDigest
	for name, v := range map[string]any{record.PartDecision: &body, record.PartDigest: &digest} {
		data, _ := e.Part(name)
		if err := record.ParseCanonical(data, v); err != nil {
			t.Fatal(err)
		}
	}
	if root := record.Root(b.Hashes()); !bytes.Equal(root[:], digest.Root) || digest.Lines != int64(len(b.Lines)) {
		t.Errorf("the digest %x over %d lines is not that of the lines", digest.Root, digest.Lines)
	}
	var statements, failed, rows int64
	for _, raw := range b.Lines {
		line, err := record.ParseLine(raw)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Statement != nil:
			statements++
		case line.Result != nil:
			rows += line.Result.Rows
			if line.Result.Outcome == record.Failed {
				failed++
			}
		}
	}
	if body.Count != statements || body.Rows != rows || body.Failed != failed {
		t.Errorf("%+v of %d statements, %d rows, %d failed", body, statements, rows, failed)
	}
	for _, bad := range []string{`{"lines":[],"salt":"AA=="}`, `{"lines":[]}`, `{"lines":[{"n": 1}],"salt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`} {
		if _, err := record.ParseBatch([]byte(bad)); err == nil {
			t.Errorf("%s was taken for a batch", bad)
		}
	}
	for _, bad := range []string{`{}`, `{"n":1}`, `{"of":1,"sql":""}`, `{"n":1,"session":1,"text":0,"time":1,"sql":""}`, `3`} {
		if l, err := record.ParseLine([]byte(bad)); err == nil {
			t.Errorf("%s was taken for a line: %+v", bad, l)
		}
	}
}

// One line is shown with its text and proved against the leaf alone; nothing of
// its neighbours is in what is shown, and nothing in it can be exchanged.
func TestALineIsProvedWithoutItsNeighbours(t *testing.T) {
	e := batchEntry(t)
	for i := range int64(8) {
		s, err := record.Show(&e, i)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again record.Shown
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatal(err)
		}
		if err := again.Check(&e.Leaf); err != nil {
			t.Errorf("line %d: %v", i, err)
		}
	}
	s, err := record.Show(&e, 2)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(s)
	data, _ := e.Part(record.PartStatement)
	b, _ := record.ParseBatch(data)
	if text := string(raw); !strings.Contains(text, "1002") || !strings.Contains(text, "WHERE id = $1") || strings.Contains(text, "1001") || strings.Contains(text, "1/0") {
		t.Errorf("line 2 shows %s", text)
	}
	if whole, _ := json.Marshal(b.Salt); bytes.Contains(raw, whole) {
		t.Error("the batch's salt is shown: neighbours can be guessed")
	}
	for name, change := range map[string]func(*record.Shown){
		"another value":        func(s *record.Shown) { s.Lines[1].Line = strings.Replace(s.Lines[1].Line, "1002", "1003", 1) },
		"another text":         func(s *record.Shown) { s.Lines[0].Line = strings.Replace(s.Lines[0].Line, "city", "name", 1) },
		"another place":        func(s *record.Shown) { s.Lines[1].Index = 1 },
		"no such place":        func(s *record.Shown) { s.Lines[1].Index = 9 },
		"a place below":        func(s *record.Shown) { s.Lines[1].Index = -1 },
		"another salt":         func(s *record.Shown) { s.Lines[1].Salt[0] ^= 1 },
		"no salt":              func(s *record.Shown) { s.Lines[1].Salt = nil },
		"a shorter path":       func(s *record.Shown) { s.Lines[1].Path = s.Lines[1].Path[:1] },
		"no text":              func(s *record.Shown) { s.Lines = s.Lines[1:] },
		"no line":              func(s *record.Shown) { s.Lines = nil },
		"another digest":       func(s *record.Shown) { s.Digest.Data[0] ^= 1 },
		"another part":         func(s *record.Shown) { s.Digest.Name = record.PartDecision },
		"digest's salt":        func(s *record.Shown) { s.Digest.Salt[3] ^= 1 },
		"digest without salt":  func(s *record.Shown) { s.Digest.Salt = nil },
		"digest's place":       func(s *record.Shown) { s.Digest.Index = 0 },
		"digest among no part": func(s *record.Shown) { s.Digest.Parts = 0 },
	} {
		c := record.Shown{Digest: s.Digest, Lines: slices.Clone(s.Lines)}
		c.Digest.Data, c.Digest.Salt = bytes.Clone(s.Digest.Data), bytes.Clone(s.Digest.Salt)
		for i := range c.Lines {
			c.Lines[i].Salt = bytes.Clone(s.Lines[i].Salt)
		}
		change(&c)
		if err := c.Check(&e.Leaf); err == nil {
			t.Errorf("%s holds", name)
		}
	}
	if _, err := record.Show(&e, 8); err == nil {
		t.Error("there is no line 8")
	}
	other := e.Leaf
	other.Kind = record.KindStatement
	if err := s.Check(&other); err == nil {
		t.Error("a line is proved to be of an entry that is no batch")
	}
}
