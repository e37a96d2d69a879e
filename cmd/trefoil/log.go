package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

type logCmd struct {
	Verify verifyCmd   `cmd:"" help:"Recompute everything and name the first bad entry."`
	Show   showLogCmd  `cmd:"" help:"Show one entry with its opened parts."`
	Prove  proveCmd    `cmd:"" help:"Print the proof that an entry is in the log (C2SP tlog-proof)."`
	Check  checkLogCmd `cmd:"" help:"Check such a proof without any log at hand."`
	Tail   tailCmd     `cmd:"" help:"Follow the log."`
}

type verifyCmd struct {
	Dir        string `type:"path" help:"Data directory: check evidence and write-ahead log too."`
	Config     string `short:"c" type:"path" env:"TREFOIL_CONFIG" help:"With --dir: open the parts with this configuration's evidence key."`
	URL        string `placeholder:"https://HOST/log" help:"Check what is published there."`
	CA         string `env:"TREFOIL_CA" type:"path" help:"PEM file of the authority of the URL's certificate."`
	Genesis    string `help:"The genesis hash you were given."`
	Checkpoint string `type:"path" help:"A checkpoint you kept: what it covers must still be the same."`
	Save       string `type:"path" help:"Keep the checkpoint that was verified in this file."`
}

func (c *verifyCmd) Run(e *env) error {
	opt := ledger.VerifyOptions{Genesis: c.Genesis, Dir: c.Dir}
	switch {
	case (c.Dir == "") == (c.URL == ""):
		return fault.New(fault.BadInput, "name either --dir or --url").WithHint("trefoil log verify --dir data")
	case c.URL != "":
		cl, err := (&connection{URL: c.URL, CA: c.CA}).open(nil)
		if err != nil {
			return err
		}
		opt.Source = proof.HTTP{URL: cl.base, Client: cl.http}
	default:
		opt.Source = proof.Dir(filepath.Join(c.Dir, "log"))
	}
	if c.Config != "" && c.Dir != "" {
		cfg, err := app.LoadConfig(c.Config)
		if err != nil {
			return err
		}
		key, err := cfg.Evidence()
		if err != nil {
			return err
		}
		opt.Master = &key
	}
	var err error
	if c.Checkpoint != "" {
		if opt.Earlier, err = os.ReadFile(c.Checkpoint); err != nil {
			return fault.New(fault.BadInput, "%s", err)
		}
	}
	progress(e, &opt)
	r, err := ledger.Verify(opt)
	if err != nil {
		return verdict(e, err)
	}
	if c.Save != "" {
		cp, err := opt.Source.ReadFile("checkpoint")
		if err == nil {
			err = os.WriteFile(c.Save, cp, 0o644)
		}
		if err != nil {
			return err
		}
	}
	e.printf("log %s is whole: %d entries, root %s\n", r.Origin, r.Size, r.Root)
	e.printf("genesis %s\n", r.Genesis)
	if c.Dir != "" {
		e.printf("parts: %d opened and compared, %d erased, %d compared by hash alone; %d entries not published yet\n", r.Opened, r.Erased, r.Sealed, r.Tail)
	}
	if c.Checkpoint != "" {
		e.printf("it contains everything the kept checkpoint covers\n")
	} else {
		e.printf("this shows consistency, not that history was never rewritten: keep a checkpoint (--save) and compare later (--checkpoint)\n")
	}
	return nil
}

// progress shows where a long verification is, on a terminal's error stream.
func progress(e *env, opt *ledger.VerifyOptions) {
	var shown uint64
	opt.Progress = func(done, total uint64) {
		if total > 100_000 && done-shown >= total/20 {
			shown = done
			fmt.Fprintf(e.stderr, "verified %d of %d entries\n", done, total)
		}
	}
}

func verdict(e *env, err error) error {
	var f *record.Fault
	if !errors.As(err, &f) {
		return fault.New(fault.Denied, "the log does not verify: %s", err)
	}
	fmt.Fprintf(e.stderr, "trefoil: the log does not verify: entry %d: %s\n", f.Seq, f.Why)
	return errRefused
}

type showLogCmd struct {
	connection `embed:""`
	Seq        uint64 `arg:"" help:"Sequence of the entry."`
}

func (c *showLogCmd) Run(e *env) error {
	cl, err := c.open(nil)
	if err != nil {
		return err
	}
	var entry api.Entry
	if err := cl.call(e.ctx, fmt.Sprintf("/v1/entries/%d", c.Seq), nil, &entry); err != nil {
		return err
	}
	e.printf("%s", entry.Leaf)
	e.printf("hash %s\n", entry.Hash)
	for _, p := range entry.Parts {
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
	connection `embed:""`
	Seq        uint64 `arg:"" help:"Sequence of the entry."`
}

func (c *proveCmd) Run(e *env) error {
	cl, err := c.open(nil)
	if err != nil {
		return err
	}
	src := proof.HTTP{URL: cl.base + "/log", Client: cl.http}
	p, err := prove(src, c.Seq)
	if err != nil {
		return err
	}
	e.printf("%s", p.Marshal())
	return nil
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
	Genesis string `required:"" type:"path" help:"The log's genesis.json, whose hash you compared."`
}

func (c *checkLogCmd) Run(e *env) error {
	raw, err := os.ReadFile(c.Genesis)
	if err != nil {
		return fault.New(fault.BadInput, "%s", err)
	}
	_, log, hash, err := ledger.ParseGenesis(raw)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.Proof)
	if err != nil {
		return fault.New(fault.BadInput, "%s", err)
	}
	p, err := proof.ParseInclusion(text)
	if err != nil {
		return fault.New(fault.BadInput, "%s", err)
	}
	tree, err := p.Check(p.Extra, log)
	if err != nil {
		return fault.New(fault.Denied, "the proof does not hold: %s", err)
	}
	e.printf("%sis entry %d of the %d entries of log %s, genesis %s\n", p.Extra, p.Index, tree.N, log.Name(), hash)
	return nil
}

type tailCmd struct {
	connection `embed:""`
	From       *uint64 `help:"First entry to show [the next one]."`
	Once       bool    `help:"Stop at the end of the log instead of waiting."`
}

func (c *tailCmd) Run(e *env) error {
	cl, err := c.open(nil)
	if err != nil {
		return err
	}
	st, err := cl.status(e.ctx)
	if err != nil {
		return err
	}
	next := st.Durable
	if c.From != nil {
		next = *c.From
	}
	for {
		var entries []api.Entry
		wait := "&wait=20s"
		if c.Once {
			wait = ""
		}
		if err := cl.call(e.ctx, fmt.Sprintf("/v1/entries?from=%d%s", next, wait), nil, &entries); err != nil {
			if e.ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, entry := range entries {
			if err := tailLine(e, entry); err != nil {
				return err
			}
		}
		next += uint64(len(entries))
		if c.Once && len(entries) == 0 {
			return nil
		}
	}
}

// tailLine shows an entry on one line: what is published, then actor and decision.
func tailLine(e *env, entry api.Entry) error {
	leaf, err := record.ParseLeaf([]byte(entry.Leaf))
	if err != nil {
		return err
	}
	e.printf("%6d %s %-11s %-11s %-12s", leaf.Seq, stamp(leaf.Time), leaf.Kind, leaf.Outcome, dash(leaf.Purpose))
	for _, p := range entry.Parts {
		if p.Name == record.PartActor || p.Name == record.PartDecision && len(p.JSON) < 400 {
			e.printf(" %s", p.JSON)
		}
	}
	e.printf("\n")
	return nil
}
