package record

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// partDomain separates part hashes from every other use of SHA-256.
	partDomain = "\x00trefoil/part/v1\x00"
	// MaxPart bounds one part's bytes.
	MaxPart = 16 << 20
	// MaxParts bounds the parts of an entry: a case of 1,000 subjects, and room.
	MaxParts = 1100
)

// Part is one separately sealed piece of a payload. The salt keeps a published
// hash from being guessed and lies nowhere but in the part itself.
type Part struct {
	Name string // 'actor', 'decision', 'subject/0', …; at most 64 bytes
	Salt [32]byte
	Data []byte
}

// NewPart makes a part with a fresh salt.
func NewPart(name string, data []byte) Part {
	p := Part{Name: name, Data: data}
	rand.Read(p.Salt[:])
	return p
}

// Hash is SHA-256(0x00 ‖ "trefoil/part/v1\0" ‖ salt32 ‖ len16 name ‖ name ‖ len32 ‖ bytes),
// lengths big-endian.
func (p *Part) Hash() Hash {
	var buf [1024]byte // what fits is hashed without allocating: the hot path
	b := append(buf[:0], partDomain...)
	b = append(b, p.Salt[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Name)))
	b = append(b, p.Name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.Data)))
	if len(b)+len(p.Data) <= len(buf) {
		return sha256.Sum256(append(b, p.Data...))
	}
	h := sha256.New()
	h.Write(b)
	h.Write(p.Data)
	return Hash(h.Sum(nil))
}

// check says whether the part may stand in an entry.
func (p *Part) check() error {
	if len(p.Name) == 0 || len(p.Name) > 64 || strings.ContainsFunc(p.Name, func(r rune) bool {
		return r != '/' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	}) {
		return fmt.Errorf("part name %q is not 1 to 64 characters of a-z, 0-9, '/' and '-'", p.Name)
	}
	if len(p.Data) > MaxPart {
		return fmt.Errorf("part %s has %d bytes, more than %d", p.Name, len(p.Data), MaxPart)
	}
	return nil
}

// LeafHash is the RFC 6962 hash of an entry's leaf bytes: SHA-256(0x00 ‖ leaf).
func LeafHash(leaf []byte) Hash {
	var buf [1024]byte
	if len(leaf) < len(buf) { // every leaf of ours: without allocating
		return sha256.Sum256(append(buf[:1], leaf...))
	}
	return tlog.RecordHash(leaf)
}

// Root is the RFC 6962 tree head over part hashes in order; of none it is
// SHA-256 of the empty string.
func Root(hashes []Hash) Hash {
	switch len(hashes) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return hashes[0]
	}
	k := 1
	for k*2 < len(hashes) {
		k *= 2
	}
	return tlog.NodeHash(Root(hashes[:k]), Root(hashes[k:]))
}

// Commit is the root over the parts: what a leaf's commit field holds.
func Commit(parts []Part) Hash {
	hashes := make([]Hash, len(parts))
	for i := range parts {
		hashes[i] = parts[i].Hash()
	}
	return Root(hashes)
}

// Entry is a leaf with its opened parts.
type Entry struct {
	Leaf
	Parts []Part
}

// Ref is where an entry stands in the log.
type Ref struct {
	Seq  uint64
	Hash Hash  // its leaf hash
	Time int64 // µs UTC
}

// ErrNoPart says that an entry has no part of the name, or that it was erased.
var ErrNoPart = errors.New("the entry has no such part")

// Part gives the data of the named part.
func (e *Entry) Part(name string) ([]byte, error) {
	for i := range e.Parts {
		if e.Parts[i].Name == name {
			return e.Parts[i].Data, nil
		}
	}
	return nil, fmt.Errorf("entry %d: %s: %w", e.Seq, name, ErrNoPart)
}

// Draft is an entry before it has a place in the log. It is reused: Reset, Add
// and Commit allocate nothing once its buffers have grown. It keeps the data it
// is given until the next Reset; the caller may not change it before Append
// returned.
type Draft struct {
	Kind    Kind
	Outcome Outcome
	Purpose string
	Parts   []Part

	hashes []Hash
}

// Reset empties the draft for a new entry of the kind.
func (d *Draft) Reset(kind Kind, outcome Outcome, purpose string) {
	d.Kind, d.Outcome, d.Purpose, d.Parts = kind, outcome, purpose, d.Parts[:0]
}

// Add appends a part under a fresh salt.
func (d *Draft) Add(name string, data []byte) {
	d.Parts = append(d.Parts, Part{Name: name, Data: data})
	rand.Read(d.Parts[len(d.Parts)-1].Salt[:])
}

// AddJSON appends a part holding v as canonical JSON.
func (d *Draft) AddJSON(name string, v any) error {
	data, err := Canonical(v)
	if err != nil {
		return fmt.Errorf("part %s: %w", name, err)
	}
	d.Add(name, data)
	return nil
}

// Entry is the draft as the entry it became.
func (d *Draft) Entry(at Ref) Entry {
	return Entry{Leaf: Leaf{Seq: at.Seq, Time: at.Time, Kind: d.Kind, Outcome: d.Outcome, Purpose: d.Purpose}, Parts: d.Parts}
}

// Commit is the root over the draft's parts.
func (d *Draft) Commit() Hash {
	d.hashes = d.hashes[:0]
	for i := range d.Parts {
		d.hashes = append(d.hashes, d.Parts[i].Hash())
	}
	return Root(d.hashes)
}

// Check says whether the draft may become an entry.
func (d *Draft) Check() error {
	if len(d.Parts) == 0 || len(d.Parts) > MaxParts {
		return fmt.Errorf("an entry has 1 to %d parts, this one %d", MaxParts, len(d.Parts))
	}
	for i := range d.Parts {
		if err := d.Parts[i].check(); err != nil {
			return err
		}
	}
	return nil
}
