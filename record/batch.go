package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
)

// A service's statements are recorded in batches, KindStatements: one entry for
// each flush. Its part 'statement' holds the lines and their salt, its part
// 'digest' the root of a tree over them, so that one line can be shown and
// proved without the others. A line is one of
//
//	LineText       a text, before the first statement of the batch that asks it
//	LineStatement  a statement: its session, its number in it, the line of its text
//	LineResult     what became of a statement, of this batch or an earlier one

// Batch is the part 'statement' of a batch.
type Batch struct {
	Lines []json.RawMessage `json:"lines"` // each canonical, in the order in which the gate took them
	Salt  []byte            `json:"salt"`  // 32 bytes, in base64
}

// BatchDigest is the part 'digest' of a batch.
type BatchDigest struct {
	Lines int64  `json:"lines"`
	Root  []byte `json:"root"` // RFC 6962 root over Batch.Hashes, in base64
}

// LineText is what statements of the batch ask, but for their parameters. The
// fields are those of Statement and StatementText.
type LineText struct {
	Ambiguous bool   `json:"ambiguous,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Name      string `json:"name,omitempty"`
	Portal    string `json:"portal,omitempty"`
	Protocol  string `json:"protocol"`
	SQL       string `json:"sql"`
}

// LineStatement is one statement. N counts the statements of its session from 1,
// so a missing one shows.
type LineStatement struct {
	N       uint64            `json:"n"`
	Params  []json.RawMessage `json:"params,omitempty"` // as in StatementText
	Session uint64            `json:"session"`
	Text    int64             `json:"text"` // index of its LineText in this batch
	Time    int64             `json:"time"` // µs UTC when the gate took it
}

// LineResult is what became of the statement Of of its session, as in Result.
type LineResult struct {
	Bytes   int64   `json:"bytes"`
	Micros  int64   `json:"micros"`
	Of      uint64  `json:"of"`
	Outcome Outcome `json:"outcome,omitempty"` // left out: complete
	Rows    int64   `json:"rows"`
	Session uint64  `json:"session"`
	State   string  `json:"state,omitempty"` // SQLSTATE if failed
}

// Line is one line, read: one of the three is set.
type Line struct {
	Text      *LineText
	Statement *LineStatement
	Result    *LineResult
}

// ParseLine reads a line, as strictly as ParseCanonical.
func ParseLine(data []byte) (l Line, err error) {
	var is struct {
		SQL *string
		N   *uint64
		Of  *uint64
	}
	if err := json.Unmarshal(data, &is); err != nil {
		return l, err
	}
	switch {
	case is.N != nil:
		l.Statement = new(LineStatement)
		err = ParseCanonical(data, l.Statement)
	case is.Of != nil:
		l.Result = new(LineResult)
		err = ParseCanonical(data, l.Result)
	default:
		l.Text = new(LineText)
		err = ParseCanonical(data, l.Text)
	}
	return l, err
}

// ParseBatch reads the part 'statement' of a batch.
func ParseBatch(data []byte) (b Batch, err error) {
	if err = ParseCanonical(data, &b); err == nil && len(b.Salt) != sha256.Size {
		err = errors.New("the salt of a batch has 32 bytes")
	}
	return b, err
}

// lineDomain separates the salts of lines from every other use of SHA-256.
const lineDomain = "trefoil/statement/v1\x00"

// LineSalt is the salt of one line: SHA-256("trefoil/statement/v1\0" ‖ salt ‖ index64).
// Whoever is shown it learns nothing of the other lines' salts.
func LineSalt(salt *[32]byte, index uint64) [32]byte {
	var b [len(lineDomain) + 40]byte
	copy(b[:], lineDomain)
	copy(b[len(lineDomain):], salt[:])
	binary.BigEndian.PutUint64(b[len(lineDomain)+32:], index)
	return sha256.Sum256(b[:])
}

// LineHash is SHA-256(0x00 ‖ the line's own salt ‖ line).
func LineHash(salt [32]byte, line []byte) Hash {
	var buf [1024]byte // what fits is hashed without allocating: the hot path
	b := append(buf[:1], salt[:]...)
	if len(b)+len(line) <= len(buf) {
		return sha256.Sum256(append(b, line...))
	}
	h := sha256.New()
	h.Write(b)
	h.Write(line)
	return Hash(h.Sum(nil))
}

// Hashes gives the hash of every line.
func (b *Batch) Hashes() []Hash {
	hashes := make([]Hash, len(b.Lines))
	for i, line := range b.Lines {
		hashes[i] = LineHash(LineSalt((*[32]byte)(b.Salt), uint64(i)), line)
	}
	return hashes
}
