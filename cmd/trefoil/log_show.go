package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

type showLogCmd struct {
	Seq    uint64 `arg:"" help:"Sequence number of the entry."`
	socket `embed:""`
}

func (c *showLogCmd) Run(e *env) error {
	cl, err := c.open()
	if err != nil {
		return err
	}
	var entry api.Entry
	if err := cl.call(e.ctx, fmt.Sprintf("/v1/entries/%d", c.Seq), nil, &entry); err != nil {
		return err
	}
	e.printf("%s", entry.Leaf)
	leaf, err := record.ParseLeaf([]byte(entry.Leaf))
	if err != nil {
		return err
	}
	e.printf("hash %s\n\n%s\n", entry.Hash, line(leaf, entry.Parts, newWhose(e.ctx, cl).of(leaf, entry.Parts)))
	for _, p := range entry.Parts {
		if leaf.Kind == record.KindStatements && p.Name == record.PartStatement {
			e.printf("\n[%s]\n", p.Name)
			if err := e.printBatch(p.JSON); err != nil {
				return err
			}
			continue
		}
		if p.JSON == nil {
			e.printf("\n[%s]\n%s\n", p.Name, strings.TrimRight(p.Text, "\n"))
			continue
		}
		var b bytes.Buffer
		if err := json.Indent(&b, p.JSON, "", "  "); err != nil {
			return err
		}
		e.printf("\n[%s]\n%s\n", p.Name, b.String())
	}
	return nil
}

type proveCmd struct {
	Seq        uint64 `arg:"" help:"Sequence number of the entry."`
	Statement  *int64 `placeholder:"LINE" help:"Of a service's batch: one statement or result of it, by its line in 'log show', without its neighbours. For operators."`
	connection `embed:""`
}

func (c *proveCmd) Run(e *env) error {
	cl, err := c.open(nil)
	if err != nil {
		return err
	}
	if err := cl.published(e.ctx, c.Seq); err != nil {
		return err
	}
	p, err := prove(proof.HTTP{URL: cl.base + "/log", Client: cl.http}, c.Seq)
	if err != nil {
		return err
	}
	if c.Statement == nil {
		e.printf("%s", p.Marshal())
		return nil
	}
	doc := lineProof{Format: lineProofFormat, Entry: string(p.Marshal())}
	if err := cl.call(e.ctx, fmt.Sprintf("/v1/entries/%d/lines/%d", c.Seq, *c.Statement), nil, &doc.Shown); err != nil {
		return err
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	e.printf("%s\n", text)
	return nil
}

// published waits until a checkpoint covers an entry, which takes a second or
// so from when it was recorded.
func (c *client) published(ctx context.Context, seq uint64) error {
	for {
		st, err := c.status(ctx)
		if err != nil || seq < st.Published {
			return err
		}
		if seq >= st.Durable {
			return fault.New(fault.NotFound, "the log has %d entries; the last is %d", st.Durable, st.Durable-1)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prove makes a proof from published files alone.
func prove(src proof.Source, seq uint64) (*proof.Inclusion, error) {
	genesis, err := src.ReadFile("genesis.json")
	if err != nil {
		return nil, err
	}
	_, log, _, err := ledger.ParseGenesis(genesis)
	if err != nil {
		return nil, err
	}
	cp, err := src.ReadFile("checkpoint")
	if err != nil {
		return nil, err
	}
	tree, err := proof.OpenCheckpoint(cp, log)
	if err != nil {
		return nil, err
	}
	if seq >= uint64(tree.N) {
		return nil, fault.New(fault.NotFound, "entry %d is not published: the checkpoint covers %d entries", seq, tree.N)
	}
	path, err := tlog.ProveRecord(tree.N, int64(seq), tlog.TileHashReader(tree, proof.TileReader(src)))
	if err != nil {
		return nil, err
	}
	bundle, err := proof.ReadTile(src, proof.EntryTile(seq, uint64(tree.N)))
	if err != nil {
		return nil, err
	}
	entries, err := proof.SplitBundle(bundle, int(seq%proof.TileWidth)+1)
	if err != nil {
		return nil, err
	}
	return &proof.Inclusion{Extra: entries[len(entries)-1], Index: seq, Path: path, Checkpoint: cp}, nil
}

type checkLogCmd struct {
	Proof   string `arg:"" type:"path" help:"File that 'log prove' printed."`
	Genesis string `required:"" type:"path" placeholder:"FILE" help:"The log's genesis.json, whose hash you compared."`
}

func (c *checkLogCmd) Run(e *env) error {
	raw, err := os.ReadFile(c.Genesis)
	if err != nil {
		return err
	}
	_, log, hash, err := ledger.ParseGenesis(raw)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.Proof)
	if err != nil {
		return err
	}
	var line *lineProof
	if bytes.HasPrefix(text, []byte("{")) {
		if line, err = parseLineProof(text); err != nil {
			return err
		}
		text = []byte(line.Entry)
	}
	p, err := proof.ParseInclusion(text)
	if err != nil {
		return fault.New(fault.BadInput, "%s", err)
	}
	tree, err := p.Check(p.Extra, log)
	if err != nil {
		return fault.New(fault.Denied, "the proof does not hold: %s", err)
	}
	if line != nil {
		if err := line.print(e, p.Extra); err != nil {
			return err
		}
	}
	e.printf("%sis entry %d of the %d entries of log %s, genesis %s\n", p.Extra, p.Index, tree.N, log.Name(), hash)
	return nil
}
