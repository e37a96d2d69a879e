package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
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
	// Checkpoint is the signed note of Size and Root, to be kept: a log in use has
	// a newer one by the time this is read.
	Checkpoint []byte
	Tail       uint64 // entries in the write-ahead log beyond it
	Opened     uint64 // parts opened and compared
	Erased     uint64 // parts whose key was destroyed
	Sealed     uint64 // parts of which only the hash was compared
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
	v := verifier{opt: opt, report: &r, genesis: hash, log: log}
	v.tree.Full = v.hashTile
	if opt.Earlier != nil {
		if v.earlier, err = proof.OpenCheckpoint(opt.Earlier, log); err != nil {
			return r, fmt.Errorf("the earlier checkpoint: %w", err)
		}
	}
	if opt.Dir != "" && opt.Master != nil {
		if v.keys, err = openKeys(filepath.Join(opt.Dir, "keys.db"), *opt.Master, false); err != nil {
			return r, err
		}
		defer v.keys.close()
	}
	if err = v.published(); err != nil || opt.Dir == "" {
		return r, err
	}
	// A log in use moves on underneath: segments go as the tree grows, and the
	// last one is being written. Only what is wrong twice, in a tree that did not
	// grow in between, is wrong.
	for {
		before := v.size
		first := v.tail()
		if first == nil {
			return r, nil
		}
		if err = v.published(); err != nil {
			return r, err
		}
		if second := v.tail(); second == nil || v.size == before && second.Error() == first.Error() {
			return r, second
		}
	}
}

type verifier struct {
	opt     VerifyOptions
	report  *Report
	log     note.Verifier
	size    uint64
	genesis record.Hash
	earlier tlog.Tree
	keys    *keyStore
	chain   record.Chain
	tree    proof.Frontier
	tiles   error // what was wrong with a hash tile
}

// published checks what the checkpoint covers and was not checked yet.
func (v *verifier) published() error {
	raw, err := v.opt.Source.ReadFile("checkpoint")
	if err != nil {
		return err
	}
	head, err := proof.OpenCheckpoint(raw, v.log)
	if err != nil {
		return err
	}
	if v.earlier.N > head.N {
		return fmt.Errorf("the log has shrunk: %d entries, and %d when the earlier checkpoint was signed", head.N, v.earlier.N)
	}
	v.size = uint64(head.N)
	for v.chain.Next < v.size {
		if err := v.bundle(); err != nil {
			return err
		}
		if v.opt.Progress != nil {
			v.opt.Progress(v.chain.Next, v.size)
		}
	}
	if v.report.Size, v.report.Root = v.tree.Size(), v.tree.Root(); v.report.Size != v.size || v.report.Root != head.Hash {
		return fmt.Errorf("the %d entries have the root %s, but the signed checkpoint of %d says %s", v.tree.Size(), v.report.Root, v.size, head.Hash)
	}
	v.report.Checkpoint = raw
	_ = v.tree.Edge(func(tile tlog.Tile, data []byte) error { v.hashTile(tile, data); return nil })
	return v.tiles
}

// hashTile compares a tile above the entries' own hashes, which bundle compares,
// with what the entries give.
func (v *verifier) hashTile(tile tlog.Tile, want []byte) {
	if tile.L == 0 || v.tiles != nil {
		return
	}
	got, err := proof.ReadTile(v.opt.Source, tile)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s holds other hashes than the entries give: proofs made from it fail", proof.TilePath(tile))
	}
	v.tiles = err
}

// bundle checks the entries of the next bundle, or those that there are.
func (v *verifier) bundle() error {
	first := v.chain.Next / proof.TileWidth * proof.TileWidth
	tile := proof.EntryTile(first, v.size)
	checked := int(v.chain.Next - first) // in an earlier call
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
	used := 0
	for _, leaf := range leaves {
		used += 2 + len(leaf)
	}
	if split == nil && tile.W == proof.TileWidth && used != len(data) {
		return &record.Fault{Seq: first + proof.TileWidth - 1, Why: "bytes that belong to no entry follow it in its bundle"}
	}
	commits := make([]record.Hash, 0, tile.W)
	for i, leaf := range leaves {
		if i < checked {
			commits = append(commits, record.Hash{})
			continue
		}
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
	return v.evidence(first, checked, commits)
}

// evidence compares the parts of a bundle with what its leaves commit to, from
// the entry number checked of it on.
func (v *verifier) evidence(first uint64, checked int, commits []record.Hash) error {
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
		if i < checked {
			keys = keys[min(len(parts), len(keys)):]
			continue
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
	chain := v.chain // published takes it on from where the tree ends
	v.report.Tail = 0
	return w.scan(v.size, func(seq uint64, entry []byte) error {
		leaf, parts, err := record.SplitEntry(entry)
		if err != nil {
			return &record.Fault{Seq: seq, Why: err.Error()}
		}
		l, err := chain.Follow(leaf)
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
