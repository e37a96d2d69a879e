package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/trefoil-dev/trefoil/internal/durable"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// ErrExists says that the directory holds a log already.
var ErrExists = errors.New("there is a log here already")

// Create makes a new log in opt.Dir: entry 0 is the genesis, signed with the
// log's key, and published at once. It gives the genesis hash, which is what
// people compare.
func Create(opt Options, g record.Genesis) (record.Hash, error) {
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return record.Hash{}, err
	}
	lock, err := durable.Lock(opt.Dir)
	if err != nil {
		return record.Hash{}, err
	}
	defer lock.Close()
	if _, err := os.Stat(filepath.Join(opt.Dir, "log", "checkpoint")); err == nil {
		return record.Hash{}, fmt.Errorf("%w: %s", ErrExists, opt.Dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return record.Hash{}, err
	}
	for _, sub := range []string{"wal", "log", "evidence"} {
		mode := fs.FileMode(0o700)
		if sub == "log" {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Join(opt.Dir, sub), mode); err != nil {
			return record.Hash{}, err
		}
	}
	now := opt.Clock().UnixMicro()
	g.Format, g.Origin, g.CreatedMicros = record.GenesisFormat, opt.Signer.Name(), now
	body, err := record.Canonical(g)
	if err != nil {
		return record.Hash{}, err
	}
	signed, err := note.Sign(&note.Note{Text: string(body) + "\n"}, opt.Signer)
	if err != nil {
		return record.Hash{}, err
	}
	part := record.NewPart(record.PartGenesis, signed)
	leaf := record.Leaf{Gate: opt.Gate, Time: now, Kind: record.KindGenesis, Outcome: record.None, Commit: record.Commit([]record.Part{part})}
	if err := leaf.Check(); err != nil {
		return record.Hash{}, err
	}

	keys, err := openKeys(filepath.Join(opt.Dir, "keys.db"), opt.Master, true)
	if err != nil {
		return record.Hash{}, err
	}
	defer keys.close()
	ev, err := openEvidence(opt.Dir, 0, keys)
	if err != nil {
		return record.Hash{}, err
	}
	if err := ev.add(0, []record.Part{part}); err != nil {
		return record.Hash{}, err
	}
	if err := ev.commit(keys); err != nil {
		return record.Hash{}, err
	}
	// Genesis is public: its opened part lies beside the tiles.
	open, err := record.Canonical(OpenGenesis{Leaf: string(leaf.AppendText(nil)), Salt: part.Salt[:], Note: string(signed)})
	if err != nil {
		return record.Hash{}, err
	}
	if _, _, _, err := ParseGenesis(open); err != nil { // names another key than the signer's, for one
		return record.Hash{}, err
	}
	if err := durable.WriteFile(filepath.Join(opt.Dir, "log", "genesis.json"), open, 0o644); err != nil {
		return record.Hash{}, err
	}
	t := newTree(filepath.Join(opt.Dir, "log"), opt.Signer, new(proof.Frontier), nil)
	t.add(leaf.AppendText(nil))
	return leaf.Hash(), t.publish()
}

// OpenGenesis is log/genesis.json: entry 0 with its part opened.
type OpenGenesis struct {
	Leaf string `json:"leaf"`
	Salt []byte `json:"salt"` // base64
	Note string `json:"note"` // C2SP signed note over the canonical Genesis and a newline
}

// ParseGenesis checks log/genesis.json by itself: the part is the one the leaf
// commits to, and is signed with the key it names. It gives the genesis, the
// verifier of the log's key, and the hash people compare.
func ParseGenesis(raw []byte) (g record.Genesis, log note.Verifier, hash record.Hash, err error) {
	fail := func(err error) (record.Genesis, note.Verifier, record.Hash, error) {
		return record.Genesis{}, nil, record.Hash{}, fmt.Errorf("genesis: %w", err)
	}
	var open OpenGenesis
	if err := record.ParseCanonical(raw, &open); err != nil {
		return fail(err)
	}
	leaf, err := record.ParseLeaf([]byte(open.Leaf))
	if err != nil {
		return fail(err)
	}
	part := record.Part{Name: record.PartGenesis, Data: []byte(open.Note)}
	if copy(part.Salt[:], open.Salt) != 32 || len(open.Salt) != 32 || leaf.Seq != 0 || leaf.Kind != record.KindGenesis ||
		leaf.Commit != record.Commit([]record.Part{part}) {
		return fail(errors.New("its part is not the one entry 0 commits to"))
	}
	text, _, _ := strings.Cut(open.Note, "\n")
	if err := record.ParseCanonical([]byte(text), &g); err != nil {
		return fail(err)
	}
	if g.Format != record.GenesisFormat {
		return fail(fmt.Errorf("format %q is not %q", g.Format, record.GenesisFormat))
	}
	if log, err = note.NewVerifier(g.LogKey); err != nil {
		return fail(err)
	}
	if n, err := note.Open([]byte(open.Note), note.VerifierList(log)); err != nil || n.Text != text+"\n" || log.Name() != g.Origin {
		return fail(fmt.Errorf("it is not signed with the log's key: %v", err))
	}
	return g, log, leaf.Hash(), nil
}
