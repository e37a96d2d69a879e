package record

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Path is the RFC 6962 audit path from hash i to the Root over all of them, as
// tlog.CheckRecord takes it.
func Path(hashes []Hash, i int) []Hash {
	if len(hashes) < 2 {
		return nil
	}
	k := 1
	for k*2 < len(hashes) {
		k *= 2
	}
	if i < k {
		return append(Path(hashes[:k], i), Root(hashes[k:]))
	}
	return append(Path(hashes[k:], i-k), Root(hashes[:k]))
}

// ShownPart is one part of an entry, shown without the others.
type ShownPart struct {
	Name  string `json:"name"`
	Salt  []byte `json:"salt"`
	Data  []byte `json:"data"`
	Index int64  `json:"index"` // which of Parts it is
	Parts int64  `json:"parts"`
	Path  []Hash `json:"path"` // to the leaf's commit
}

// ShownLine is one line of a batch, shown without the others.
type ShownLine struct {
	Index int64  `json:"index"`
	Line  string `json:"line"` // its bytes
	Salt  []byte `json:"salt"` // its own
	Path  []Hash `json:"path"` // to the digest's root
}

// Shown is a statement or result of a batch with what proves it, given the
// batch's leaf: the part 'digest', the line, and of a statement the line of its
// text before it.
type Shown struct {
	Digest ShownPart   `json:"digest"`
	Lines  []ShownLine `json:"lines"`
}

// Show takes line i out of a batch.
func Show(e *Entry, i int64) (s Shown, err error) {
	data, err := e.Part(PartStatement)
	if err != nil {
		return s, err
	}
	b, err := ParseBatch(data)
	if err != nil || e.Kind != KindStatements || i < 0 || i >= int64(len(b.Lines)) {
		return s, errors.Join(err, fmt.Errorf("entry %d has no line %d", e.Seq, i))
	}
	line, err := ParseLine(b.Lines[i])
	if err != nil {
		return s, err
	}
	parts := make([]Hash, len(e.Parts))
	for n, p := range e.Parts {
		if parts[n] = p.Hash(); p.Name == PartDigest {
			s.Digest = ShownPart{Name: p.Name, Salt: p.Salt[:], Data: p.Data, Index: int64(n), Parts: int64(len(e.Parts))}
		}
	}
	s.Digest.Path = Path(parts, int(s.Digest.Index))
	hashes := b.Hashes()
	show := func(i int64) {
		salt := LineSalt((*[32]byte)(b.Salt), uint64(i))
		s.Lines = append(s.Lines, ShownLine{Index: i, Line: string(b.Lines[i]), Salt: salt[:], Path: Path(hashes, int(i))})
	}
	if st := line.Statement; st != nil && st.Text >= 0 && st.Text < i {
		show(st.Text)
	}
	show(i)
	return s, nil
}

// Check says whether the lines are of the batch whose leaf this is.
func (s *Shown) Check(leaf *Leaf) error {
	p := Part{Name: s.Digest.Name, Data: s.Digest.Data}
	if leaf.Kind != KindStatements || p.Name != PartDigest || copy(p.Salt[:], s.Digest.Salt) != len(p.Salt) || len(s.Digest.Salt) != len(p.Salt) {
		return errors.New("this does not show the digest of a batch of statements")
	}
	if err := inTree(s.Digest.Path, s.Digest.Parts, leaf.Commit, s.Digest.Index, p.Hash()); err != nil {
		return fmt.Errorf("the digest is not the entry's: %w", err)
	}
	var d BatchDigest
	if err := ParseCanonical(p.Data, &d); err != nil || len(d.Root) != len(Hash{}) {
		return errors.Join(errors.New("the digest does not read"), err)
	}
	for _, l := range s.Lines {
		if len(l.Salt) != 32 {
			return errors.New("the salt of a line has 32 bytes")
		}
		if err := inTree(l.Path, d.Lines, Hash(d.Root), l.Index, LineHash([32]byte(l.Salt), []byte(l.Line))); err != nil {
			return fmt.Errorf("line %d is not the batch's: %w", l.Index, err)
		}
	}
	return s.whole()
}

// whole says whether the lines shown are what Show shows: a line by itself, or a
// statement behind its own text.
func (s *Shown) whole() error {
	if len(s.Lines) == 0 || len(s.Lines) > 2 {
		return errors.New("a proof shows one line, and the text of a statement")
	}
	last, err := ParseLine([]byte(s.Lines[len(s.Lines)-1].Line))
	if err != nil {
		return err
	}
	if (last.Statement != nil) != (len(s.Lines) == 2) || last.Statement != nil && last.Statement.Text != s.Lines[0].Index {
		return errors.New("the text shown is not the statement's")
	}
	return nil
}

// inTree is tlog.CheckRecord for numbers that a stranger wrote.
func inTree(path []Hash, size int64, root Hash, i int64, leaf Hash) error {
	if size < 1 || i < 0 || i >= size {
		return fmt.Errorf("there is no place %d among %d", i, size)
	}
	return tlog.CheckRecord(path, size, root, i, leaf)
}
