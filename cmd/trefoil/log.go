package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/ledger"
	"github.com/trefoil-dev/trefoil/proof"
	"github.com/trefoil-dev/trefoil/record"
)

type logCmd struct {
	Tail   tailCmd     `cmd:"" help:"Show the newest entries, a line each, and follow the log."`
	Search searchCmd   `cmd:"" help:"Find entries by person, dataset, data subject, time and kind."`
	Show   showLogCmd  `cmd:"" help:"Show one entry with its opened parts."`
	Verify verifyCmd   `cmd:"" help:"Recompute everything and name the first bad entry."`
	Prove  proveCmd    `cmd:"" help:"Print the proof that an entry is in the log (C2SP tlog-proof)."`
	Check  checkLogCmd `cmd:"" help:"Check such a proof without any log at hand."`
}

type verifyCmd struct {
	Dir        string `type:"path" placeholder:"DIR" help:"A data_dir: check evidence and write-ahead log too. It may be in use."`
	URL        string `placeholder:"https://HOST:PORT/log" help:"Check what is published there."`
	CA         string `env:"TREFOIL_CA" type:"path" placeholder:"FILE" help:"PEM file of the authority of the URL's certificate."`
	Genesis    string `placeholder:"HASH" help:"The genesis hash you were given."`
	Checkpoint string `type:"path" placeholder:"FILE" help:"A checkpoint you kept: what it covers must still be the same."`
	Save       string `type:"path" placeholder:"FILE" help:"Keep the checkpoint that was verified in this file."`
	Config     string `short:"c" type:"path" env:"TREFOIL_CONFIG" placeholder:"FILE" help:"With --dir: open the parts with this configuration's evidence key."`
}

func (c *verifyCmd) Run(e *env) error {
	opt := ledger.VerifyOptions{Genesis: c.Genesis, Dir: c.Dir}
	src, err := c.source()
	if err != nil {
		return err
	}
	opt.Source = src
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
	if c.Checkpoint != "" {
		if opt.Earlier, err = os.ReadFile(c.Checkpoint); err != nil {
			return err
		}
	}
	progress(e, &opt)
	r, err := ledger.Verify(opt)
	if err != nil && src.failed != nil {
		return src.failed
	}
	if err != nil {
		return verdict(e, err)
	}
	if c.Save != "" {
		if err := os.WriteFile(c.Save, r.Checkpoint, 0o644); err != nil {
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

// source is where the published files are, after a look whether there are any.
func (c *verifyCmd) source() (*reached, error) {
	var src *reached
	none := fault.New(fault.BadInput, "there is no log in %s", c.Dir).WithHint("name the data_dir of trefoil.yaml: trefoil log verify --dir data")
	switch {
	case (c.Dir == "") == (c.URL == ""):
		return nil, fault.New(fault.BadInput, "name either --dir or --url").WithHint("trefoil log verify --dir data, or trefoil log verify --url https://HOST:PORT/log")
	case c.Dir != "":
		src = &reached{Source: proof.Dir(filepath.Join(c.Dir, "log")), away: func(err error) error { return err }}
	default:
		cl, err := (&connection{URL: c.URL, CA: c.CA}).open(nil)
		if err != nil {
			return nil, err
		}
		src = &reached{Source: proof.HTTP{URL: cl.base, Client: cl.http}, away: cl.away}
		none = fault.New(fault.BadInput, "there is no log at %s", c.URL).WithHint("an instance serves it below its API: --url https://HOST:PORT/log")
	}
	if _, err := src.ReadFile("genesis.json"); src.failed == nil && err != nil {
		return nil, none
	}
	return src, src.failed
}

// reached tells a log that can't be read from one that does not verify: a file
// that is not there is the log's fault, every other failure is not.
type reached struct {
	proof.Source
	away   func(error) error
	failed error
}

func (r *reached) ReadFile(path string) ([]byte, error) {
	data, err := r.Source.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		cause := err
		if u := new(url.Error); errors.As(err, &u) {
			cause = u.Err // without method and URL
		}
		r.failed = r.away(cause)
	}
	return data, err
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
	var ours *fault.Error
	if errors.As(err, &ours) { // we could not look
		return ours
	}
	if !errors.As(err, &f) {
		return fault.New(fault.Denied, "the log does not verify: %s", err)
	}
	fmt.Fprintf(e.stderr, "trefoil: the log does not verify: entry %d: %s\n", f.Seq, f.Why)
	return errRefused
}
