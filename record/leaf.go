package record

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 value.
type Hash = tlog.Hash

// leafFormat is the first line of every leaf.
const leafFormat = "trefoil/leaf/v1"

// MaxLeaf is the largest leaf in bytes: C2SP tlog-tiles gives an entry 16 bits of length.
const MaxLeaf = 65535

// Leaf is the published half of an entry. It holds no name, no stable pseudonym
// and no free text.
type Leaf struct {
	Gate    string  // which gate wrote it, a name of 1 to 32 characters
	Epoch   uint64  // how many times that gate had been started, from 1; 0 in genesis
	Seq     uint64  // the entry's sequence, which is its index in the log
	Time    int64   // µs since 1970 UTC, never smaller than the entry's before
	Kind    Kind    // what happened
	Rules   Hash    // digest of the rules in force, zero before the first
	Outcome Outcome // how it ended
	Purpose string  // purpose code, or empty
	Prev    Hash    // leaf hash of the entry before, zero in genesis
	Commit  Hash    // root over the parts
}

// AppendText appends the leaf's canonical bytes: eleven lines "name value", in
// this order, hashes in standard base64, an empty purpose as "-".
func (l *Leaf) AppendText(b []byte) []byte {
	b = append(b, leafFormat+"\ngate "...)
	b = append(b, l.Gate...)
	b = append(b, "\nepoch "...)
	b = strconv.AppendUint(b, l.Epoch, 10)
	b = append(b, "\nseq "...)
	b = strconv.AppendUint(b, l.Seq, 10)
	b = append(b, "\ntime "...)
	b = strconv.AppendInt(b, l.Time, 10)
	b = append(b, "\nkind "...)
	b = append(b, l.Kind...)
	b = append(b, "\nrules "...)
	b = base64.StdEncoding.AppendEncode(b, l.Rules[:])
	b = append(b, "\noutcome "...)
	b = append(b, l.Outcome...)
	b = append(b, "\npurpose "...)
	if l.Purpose == "" {
		b = append(b, '-')
	}
	b = append(b, l.Purpose...)
	b = append(b, "\nprev "...)
	b = base64.StdEncoding.AppendEncode(b, l.Prev[:])
	b = append(b, "\ncommit "...)
	b = base64.StdEncoding.AppendEncode(b, l.Commit[:])
	return append(b, '\n')
}

// ParseLeaf reads a leaf and refuses every form but the canonical one, so that
// two different byte strings never mean the same entry.
func ParseLeaf(b []byte) (Leaf, error) {
	var l Leaf
	rest, ok := bytes.CutPrefix(b, []byte(leafFormat+"\n"))
	if !ok {
		return l, fmt.Errorf("leaf does not begin with %q", leafFormat)
	}
	var err error
	field := func(name string) string {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		value, named := bytes.CutPrefix(line, []byte(name+" "))
		if err == nil && (!found || !named) {
			err = fmt.Errorf("leaf has no line %q where it belongs", name)
		}
		rest = after
		return string(value)
	}
	number := func(name string) uint64 {
		v, e := strconv.ParseUint(field(name), 10, 63)
		if err == nil && e != nil {
			err = fmt.Errorf("leaf: %s is not a number", name)
		}
		return v
	}
	hash := func(name string) (h Hash) {
		v := field(name)
		raw, e := base64.StdEncoding.Strict().DecodeString(v)
		if err == nil && (e != nil || len(raw) != len(h)) {
			err = fmt.Errorf("leaf: %s is not a SHA-256 value in base64", name)
		}
		copy(h[:], raw)
		return h
	}
	l.Gate = field("gate")
	l.Epoch = number("epoch")
	l.Seq = number("seq")
	l.Time = int64(number("time"))
	l.Kind = Kind(field("kind"))
	l.Rules = hash("rules")
	l.Outcome = Outcome(field("outcome"))
	if l.Purpose = field("purpose"); l.Purpose == "-" {
		l.Purpose = ""
	}
	l.Prev = hash("prev")
	l.Commit = hash("commit")
	if err == nil && len(rest) != 0 {
		err = errors.New("leaf goes on after its last line")
	}
	if err == nil {
		err = l.Check()
	}
	if err == nil && !bytes.Equal(l.AppendText(nil), b) {
		err = errors.New("leaf is not in canonical form")
	}
	return l, err
}

// Check says whether every field may stand in a leaf.
func (l *Leaf) Check() error {
	switch {
	case !IsName(l.Gate):
		return fmt.Errorf("leaf: gate %q is not a name of a-z, 0-9 and hyphens", l.Gate)
	case !l.Kind.known():
		return fmt.Errorf("leaf: kind %q is unknown", l.Kind)
	case !l.Outcome.known():
		return fmt.Errorf("leaf: outcome %q is unknown", l.Outcome)
	case l.Purpose != "" && !IsName(l.Purpose):
		return fmt.Errorf("leaf: purpose %q is not a code of a-z, 0-9 and hyphens", l.Purpose)
	case l.Time < 0:
		return errors.New("leaf: time is before 1970")
	}
	return nil
}

// Hash is the leaf's RFC 6962 hash: what the tree holds and the next entry's Prev.
func (l *Leaf) Hash() Hash { return LeafHash(l.AppendText(nil)) }

// IsName says whether s is 1 to 32 characters of a-z, 0-9 and inner hyphens:
// the form of gates and purpose codes.
func IsName(s string) bool {
	if len(s) == 0 || len(s) > 32 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
