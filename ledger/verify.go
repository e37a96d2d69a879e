package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

// VerifyOptions says what there is to check against.
type VerifyOptions struct {
	Source   proof.Source // the published half
	Dir      string       // the data directory, for evidence and write-ahead log; empty: only what is published
	Master   *[32]byte    // opens the parts; nil: the commitments are checked from the hashes beside the seals
	Genesis  string       // the hash people compare, base64; empty: not compared
	Earlier  []byte       // a checkpoint kept from before; nil: none
	Progress func(done, total uint64)
}

// Report is what Verify found in order.
type Report struct {
	Origin  string
	Genesis record.Hash
	Size    uint64 // entries covered by the checkpoint
	Root    tlog.Hash
	Tail    uint64 // entries in the write-ahead log beyond it
	Opened  uint64 // parts opened and compared
	Erased  uint64 // parts whose key was destroyed
	Sealed  uint64 // parts of which only the hash was compared
}

// Verify recomputes everything from the entries up and names the first that is
// not what the log says. Errors about one entry are *record.Fault.
func Verify(opt VerifyOptions) (r Report, err error) {
	raw, err := opt.Source.ReadFile("genesis.json")
	if err != nil {
		return r, err
	}
	g, log, hash, err := ParseGenesis(raw)
	if err != nil {
		return r, err
	}
	if r.Origin, r.Genesis = g.Origin, hash; opt.Genesis != "" && opt.Genesis != hash.String() {
		return r, fmt.Errorf("this is another log: its genesis is %s, not %s", hash, opt.Genesis)
	}
	if raw, err = opt.Source.ReadFile("checkpoint"); err != nil {
		return r, err
	}
	head, err := proof.OpenCheckpoint(raw, log)
	if err != nil {
		return r, err
	}
	var earlier tlog.Tree
	if opt.Earlier != nil {
		if earlier, err = proof.OpenCheckpoint(opt.Earlier, log); err != nil {
			return r, fmt.Errorf("the earlier checkpoint: %w", err)
		}
		if earlier.N > head.N {
			return r, fmt.Errorf("the log has shrunk: %d entries, and %d when the earlier checkpoint was signed", head.N, earlier.N)
		}
	}
	v := verifier{opt: opt, report: &r, size: uint64(head.N), genesis: hash, earlier: earlier}
	if opt.Dir != "" && opt.Master != nil {
		if v.keys, err = openKeys(filepath.Join(opt.Dir, "keys.db"), *opt.Master); err != nil {
			return r, err
		}
		defer v.keys.close()
	}
	for v.chain.Next < v.size {
		if err := v.bundle(); err != nil {
			return r, err
		}
		if opt.Progress != nil {
			opt.Progress(v.chain.Next, v.size)
		}
	}
	if r.Size, r.Root = v.size, v.tree.Root(); r.Root != head.Hash {
		return r, fmt.Errorf("the %d entries have the root %s, but the signed checkpoint says %s", v.size, r.Root, head.Hash)
	}
	if opt.Dir != "" {
		err = v.tail()
	}
	return r, err
}

type verifier struct {
	opt     VerifyOptions
	report  *Report
	size    uint64
	genesis record.Hash
	earlier tlog.Tree
	keys    *keyStore
	chain   record.Chain
	tree    proof.Frontier
}

// bundle checks the next 256 entries, or the last that there are.
func (v *verifier) bundle() error {
	first := v.chain.Next
	tile := proof.EntryTile(first, v.size)
	data, err := proof.ReadTile(v.opt.Source, tile)
	if err != nil {
		return err
	}
	hashTile := tile
	hashTile.L = 0
	hashes, err := proof.ReadTile(v.opt.Source, hashTile)
	if err != nil {
		return err
	}
	leaves, split := proof.SplitBundle(data, tile.W)
	commits := make([]record.Hash, 0, tile.W)
	for i, leaf := range leaves {
		seq := first + uint64(i)
		hash := record.LeafHash(leaf)
		if string(hash[:]) != string(hashes[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return &record.Fault{Seq: seq, Why: "its bytes are not those the tree holds the hash of: it was altered"}
		}
		l, err := v.chain.Follow(leaf)
		if err != nil {
			return err
		}
		if seq == 0 && hash != v.genesis {
			return &record.Fault{Seq: 0, Why: "it is not the genesis in genesis.json"}
		}
		v.tree.Add(hash)
		if v.earlier.N > 0 && v.tree.Size() == uint64(v.earlier.N) && v.tree.Root() != v.earlier.Hash {
			return fmt.Errorf("history was rewritten: the first %d entries have the root %s, but the earlier checkpoint, signed with the same key, says %s",
				v.earlier.N, v.tree.Root(), v.earlier.Hash)
		}
		commits = append(commits, l.Commit)
	}
	if split != nil {
		return &record.Fault{Seq: first + uint64(len(leaves)), Why: split.Error()}
	}
	if v.opt.Dir == "" {
		return nil
	}
	return v.evidence(first, commits)
}

// evidence compares the parts of a bundle with what its leaves commit to.
func (v *verifier) evidence(first uint64, commits []record.Hash) error {
	bundle := first / proof.TileWidth
	data, err := os.ReadFile(evidencePath(v.opt.Dir, bundle))
	if errors.Is(err, fs.ErrNotExist) {
		return &record.Fault{Seq: first, Why: "its evidence is missing"}
	}
	if err != nil {
		return err
	}
	var keys []record.Key
	if v.keys != nil {
		if keys, err = v.keys.bundle(bundle); err != nil {
			return err
		}
	}
	for i, commit := range commits {
		seq := first + uint64(i)
		got, parts, rest, err := splitSealed(data)
		if data = rest; err != nil || got != seq {
			return &record.Fault{Seq: seq, Why: "its evidence does not read"}
		}
		hashes := make([]record.Hash, len(parts))
		for j, s := range parts {
			hashes[j] = s.hash
		}
		if record.Root(hashes) != commit {
			return &record.Fault{Seq: seq, Why: "its parts are not those it committed to"}
		}
		if v.keys == nil {
			v.report.Sealed += uint64(len(parts))
			continue
		}
		if len(keys) < len(parts) {
			return &record.Fault{Seq: seq, Why: "the keys of its parts are missing"}
		}
		for j, s := range parts {
			p, err := record.Open(seq, keys[j], s.data)
			switch {
			case errors.Is(err, record.ErrErased):
				v.report.Erased++
			case err != nil:
				return &record.Fault{Seq: seq, Why: "a part does not open: evidence or key was altered"}
			case p.Hash() != s.hash:
				return &record.Fault{Seq: seq, Why: fmt.Sprintf("its part %s is not the one it committed to", p.Name)}
			default:
				v.report.Opened++
			}
		}
		keys = keys[len(parts):]
	}
	return nil
}

// tail checks what the write-ahead log holds beyond the checkpoint.
func (v *verifier) tail() error {
	w := wal{dir: filepath.Join(v.opt.Dir, "wal")}
	return w.scan(v.size, func(seq uint64, entry []byte) error {
		leaf, parts, err := record.SplitEntry(entry)
		if err != nil {
			return &record.Fault{Seq: seq, Why: err.Error()}
		}
		l, err := v.chain.Follow(leaf)
		if err != nil {
			return err
		}
		if l.Commit != record.Commit(parts) {
			return &record.Fault{Seq: seq, Why: "its parts are not those it committed to"}
		}
		v.report.Tail++
		return nil
	})
}
