package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/record"
)

type tailCmd struct {
	From   *uint64 `placeholder:"SEQ" help:"First entry to show [ten before the end]."`
	Once   bool    `help:"Stop at the end of the log instead of waiting for more."`
	socket `embed:""`
}

func (c *tailCmd) Run(e *env) error {
	cl, err := c.open()
	if err != nil {
		return err
	}
	st, err := cl.status(e.ctx)
	if err != nil {
		return err
	}
	next := st.Durable - min(st.Durable, 10)
	if c.From != nil {
		next = *c.From
	}
	whose := newWhose(e.ctx, cl)
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
			leaf, err := record.ParseLeaf([]byte(entry.Leaf))
			if err != nil {
				return err
			}
			e.printf("%6d %s\n", leaf.Seq, line(leaf, entry.Parts, whose.of(leaf, entry.Parts)))
		}
		next += uint64(len(entries))
		if c.Once && len(entries) == 0 {
			return nil
		}
	}
}

// whose knows whose sessions statements and results belong to, and which service's
// grant a batch: their own entries do not say.
type whose struct {
	ctx    context.Context
	client *client
	by     map[uint64]string // who, by the sequence of a session or statement
	users  map[uint64]string // who uses a grant, by its sequence
}

func newWhose(ctx context.Context, cl *client) *whose {
	return &whose{ctx: ctx, client: cl, by: make(map[uint64]string), users: make(map[uint64]string)}
}

// of gives who an entry is of; empty when nobody did it.
func (p *whose) of(leaf record.Leaf, parts []api.EntryPart) string {
	actor, body := read(parts)
	if leaf.Kind == record.KindStatements {
		return p.user(body.Grant)
	}
	who := who(actor)
	switch about := body.Session + body.Statement; {
	case who != "" || about == 0 || about >= leaf.Seq:
	case p.by[about] != "":
		who = p.by[about]
	default:
		var entry api.Entry
		if err := p.client.call(p.ctx, fmt.Sprintf("/v1/entries/%d", about), nil, &entry); err != nil {
			return ""
		}
		if earlier, err := record.ParseLeaf([]byte(entry.Leaf)); err == nil {
			who = p.of(earlier, entry.Parts)
		}
	}
	if len(p.by) > 10_000 { // of a log that is followed for weeks
		clear(p.by)
	}
	p.by[leaf.Seq] = who
	return who
}

// user names who uses a grant, its service if it has one; a batch may be of many sessions of it.
func (p *whose) user(grant uint64) string {
	if p.users[grant] == "" {
		var g api.Grant
		if err := p.client.call(p.ctx, "/v1/grants/"+record.ID('g', grant), nil, &g); err != nil {
			return ""
		}
		p.users[grant] = cmp.Or(g.Service, g.Login)
	}
	return p.users[grant]
}

// read gives an entry's actor and facts; what doesn't read is not told.
func read(parts []api.EntryPart) (actor record.Actor, body facts) {
	for _, p := range parts {
		switch p.Name {
		case record.PartActor:
			_ = json.Unmarshal(p.JSON, &actor)
		case record.PartDecision:
			_ = json.Unmarshal(p.JSON, &body)
		}
	}
	return actor, body
}

// line tells an entry in one line: when, what, how it ended, what for, who, and
// the facts of its kind.
func line(leaf record.Leaf, parts []api.EntryPart, who string) string {
	_, body := read(parts)
	text := fmt.Sprintf("%s %-11s %-11s %-11s %-8s  %s", stamp(leaf.Time), leaf.Kind, leaf.Outcome, dash(leaf.Purpose), dash(who), body.of(leaf))
	return strings.TrimRight(text, " ")
}

func who(a record.Actor) string {
	name := a.Login
	if name == "" && a.UID != nil {
		name = fmt.Sprintf("uid %d", *a.UID)
	}
	if a.Address != "" {
		name += " from " + a.Address
	}
	if a.Country != "" {
		name += " (" + a.Country + ")"
	}
	return name
}

// facts are the fields of every kind's body that a line can tell.
type facts struct {
	Attempt     uint64
	Bytes       int64
	Case        string
	Database    string
	Dataset     string
	Fingerprint string
	Grant       uint64
	Interrupted []uint64
	Kind        string
	Lease       string
	Lens        string
	Login       string
	Micros      int64
	More        int64
	Object      uint64
	Reason      string
	Reasons     []string
	Request     uint64
	Rows        int64
	Scope       string
	Session     uint64
	Site        string
	Sources     []record.Source
	State       string
	Statement   uint64
	Statements  int64
	Subjects    []string
	Until       int64
	Version     string
	Why         string
	Counts      []record.StrangerCount
	Count       int64
	Failed      int64
	Open        int64
}

// of gives what an entry's line ends with.
func (f *facts) of(leaf record.Leaf) string {
	switch leaf.Kind {
	case record.KindStart:
		return fmt.Sprintf("version %s, lease: %s, %d statements interrupted before", f.Version, f.Lease, int64(len(f.Interrupted))+f.More)
	case record.KindStop:
		return f.Reason
	case record.KindRules:
		return fmt.Sprintf("%d files take effect", len(f.Sources))
	case record.KindEnrol, record.KindWithdrawal:
		return f.Login + " " + f.Fingerprint
	case record.KindRequest:
		about := count(len(f.Subjects), "person", "people")
		if f.Scope == "bulk" {
			about = "everybody"
		}
		return fmt.Sprintf("%s: %s %s/%s, case %s, %s", record.ID('r', leaf.Seq), f.Dataset, f.Lens, f.Scope, dash(f.Case), about)
	case record.KindApproval, record.KindDenial:
		return record.ID('r', f.Object)
	case record.KindGrant:
		return fmt.Sprintf("%s for %s until %s", record.ID('g', leaf.Seq), record.ID('r', f.Request), stamp(f.Until))
	case record.KindRefusal:
		return f.refusal()
	case record.KindRevocation, record.KindSecret:
		return record.ID('g', f.Grant)
	case record.KindAttempt:
		return fmt.Sprintf("%s, database %q", record.ID('g', f.Grant), f.Database)
	case record.KindSession:
		return fmt.Sprintf("%s at %s", record.ID('g', f.Grant), f.Site)
	case record.KindEnd:
		return fmt.Sprintf("of session %d: %s; %d statements, %d rows, %d bytes", f.Session, f.Reason, f.Statements, f.Rows, f.Bytes)
	case record.KindStatement:
		return fmt.Sprintf("%s in session %d, %s", f.Kind, f.Session, record.ID('g', f.Grant))
	case record.KindResult:
		text := fmt.Sprintf("of statement %d: %d rows, %d bytes, %.1f ms", f.Statement, f.Rows, f.Bytes, float64(f.Micros)/1000)
		if f.State != "" {
			text += ", SQLSTATE " + f.State
		}
		return text
	case record.KindStatements:
		text := fmt.Sprintf("%s under %s; answers: %d rows, %d bytes", count(int(f.Count), "statement", "statements"), record.ID('g', f.Grant), f.Rows, f.Bytes)
		if f.Failed > 0 {
			text += fmt.Sprintf(", %d failed", f.Failed)
		}
		return text
	case record.KindStrangers:
		n := f.More
		for _, c := range f.Counts {
			n += c.Count
		}
		return fmt.Sprintf("%d connections never proved who they were", n)
	}
	return ""
}

// refusal is of a statement, a login or a request.
func (f *facts) refusal() string {
	switch {
	case f.Session != 0:
		return fmt.Sprintf("in session %d, SQLSTATE %s: %s", f.Session, f.State, f.Why)
	case f.Why != "":
		return f.subject() + ": " + f.Why
	case len(f.Reasons) > 0:
		return f.subject() + " by rule " + strings.Join(f.Reasons, ", ")
	}
	return f.subject() + ": no rule permits it"
}

// subject is what was decided about.
func (f *facts) subject() string {
	if f.Attempt != 0 {
		return record.ID('g', f.Grant)
	}
	return record.ID('r', f.Request)
}
