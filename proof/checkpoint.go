package proof

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	f_log "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// SignCheckpoint makes a C2SP tlog-checkpoint. Its origin is the signer's name.
func SignCheckpoint(size uint64, root tlog.Hash, signer note.Signer) ([]byte, error) {
	cp := f_log.Checkpoint{Origin: signer.Name(), Size: size, Hash: root[:]}
	return note.Sign(&note.Note{Text: string(cp.Marshal())}, signer)
}

// OpenCheckpoint verifies a checkpoint's signature and gives the tree it names.
func OpenCheckpoint(raw []byte, log note.Verifier) (tlog.Tree, error) {
	cp, _, _, err := f_log.ParseCheckpoint(raw, log.Name(), log)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	if cp.Size > 1<<62 || len(cp.Hash) != tlog.HashSize {
		return tlog.Tree{}, errors.New("checkpoint: size or hash out of range")
	}
	t := tlog.Tree{N: int64(cp.Size)}
	copy(t.Hash[:], cp.Hash)
	return t, nil
}

const proofHeader = "c2sp.org/tlog-proof@v1"

// Inclusion is a C2SP tlog-proof: an entry's index, its path to the root, and
// the signed checkpoint, in one text that needs nothing else. Extra holds the
// entry itself.
type Inclusion struct {
	Extra      []byte
	Index      uint64
	Path       []tlog.Hash
	Checkpoint []byte
}

// Marshal gives the proof's text.
func (p *Inclusion) Marshal() []byte {
	var b strings.Builder
	b.WriteString(proofHeader + "\n")
	if len(p.Extra) > 0 {
		fmt.Fprintf(&b, "extra %s\n", base64.StdEncoding.EncodeToString(p.Extra))
	}
	fmt.Fprintf(&b, "index %d\n", p.Index)
	for _, h := range p.Path {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n")
	b.Write(p.Checkpoint)
	return []byte(b.String())
}

// ParseInclusion reads a C2SP tlog-proof.
func ParseInclusion(text []byte) (*Inclusion, error) {
	head, cp, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || lines[0] != proofHeader {
		return nil, fmt.Errorf("not a proof: it does not begin with %q", proofHeader)
	}
	p := &Inclusion{Checkpoint: []byte(cp)}
	lines = lines[1:]
	var err error
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if p.Extra, err = base64.StdEncoding.DecodeString(lines[0][len("extra "):]); err != nil {
			return nil, fmt.Errorf("proof: extra: %w", err)
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return nil, errors.New("proof: no index")
	}
	if p.Index, err = strconv.ParseUint(lines[0][len("index "):], 10, 62); err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return nil, fmt.Errorf("proof: %w", err)
		}
		p.Path = append(p.Path, h)
	}
	return p, nil
}

// Check verifies that the entry is in the log the checkpoint's signer keeps.
func (p *Inclusion) Check(entry []byte, log note.Verifier) (tlog.Tree, error) {
	tree, err := OpenCheckpoint(p.Checkpoint, log)
	if err != nil {
		return tree, err
	}
	if err := tlog.CheckRecord(p.Path, tree.N, tree.Hash, int64(p.Index), tlog.RecordHash(entry)); err != nil {
		return tree, fmt.Errorf("entry %d is not in the log of %d entries with this root: %w", p.Index, tree.N, err)
	}
	return tree, nil
}
