package main

import (
	"context"
	"fmt"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

type accessCmd struct {
	Request requestCmd `cmd:"" help:"Ask to read a dataset through a lens, for a purpose and a time."`
	Approve approveCmd `cmd:"" help:"Approve somebody's request."`
	Deny    denyCmd    `cmd:"" help:"Turn a request down."`
	Revoke  revokeCmd  `cmd:"" help:"End a grant; its sessions are cut off at once."`
	List    listCmd    `cmd:"" help:"List requests and grants."`
	Show    showCmd    `cmd:"" help:"Show a request or a grant; --secret gives its holder the password."`
}

type requestCmd struct {
	Dataset    string   `arg:"" help:"Dataset of the catalogue."`
	Purpose    string   `required:"" placeholder:"CODE" help:"What for: a purpose of the rules, such as support."`
	Case       string   `placeholder:"REFERENCE" help:"Your reference, such as a ticket number."`
	Subject    []string `placeholder:"KEY" help:"Key of a person of the case; repeat, or separate by commas."`
	Lens       string   `default:"masked" help:"clear, masked, pseudonymous or aggregate."`
	Scope      string   `default:"case" help:"case: the people you name; bulk: everybody in the store."`
	Service    string   `placeholder:"NAME" help:"For this program of yours instead of yourself."`
	Site       []string `placeholder:"SITE" help:"Only these sites [all of the dataset]."`
	For        span     `default:"8h" help:"How long, such as 30m, 8h or 1d."`
	Reason     string   `placeholder:"TEXT" help:"Why, in your words; sealed, for those who may approve and those who review."`
	person     `embed:""`
	connection `embed:""`
}

func (c *requestCmd) Run(e *env) error {
	cl, err := c.open(&c.person)
	if err != nil {
		return err
	}
	st, err := cl.status(e.ctx)
	if err != nil {
		return err
	}
	doc := record.SignedRequest{Format: record.RequestFormat, Origin: st.Origin, Login: c.Login, Service: c.Service, Dataset: c.Dataset, Sites: append([]string{}, c.Site...),
		Lens: c.Lens, Scope: c.Scope, Purpose: c.Purpose, Case: c.Case, Seconds: int64(time.Duration(c.For) / time.Second), Subjects: []string{}, Time: st.Time, Nonce: access.NewNonce()}
	var parts []api.Part
	for i, key := range c.Subject {
		p := access.NewSubject(i, key)
		doc.Subjects = append(doc.Subjects, p.Hash().String())
		parts = append(parts, api.Part{Name: p.Name, Salt: p.Salt[:], Data: p.Data})
	}
	reason := reasonPart(c.Reason, &doc.Reason)
	s, err := c.signed(e.ctx, record.RequestNamespace, doc)
	if err != nil {
		return err
	}
	s.Subjects, s.Reason = parts, reason
	var out api.Outcome
	if err := cl.call(e.ctx, "/v1/requests", s, &out); err != nil {
		return err
	}
	return c.print(e, cl, out)
}

// print tells the outcome; a grant comes with how to use it.
func (c *requestCmd) print(e *env, cl *client, out api.Outcome) error {
	if out.Grant == nil {
		e.printf("request %s is recorded and refused (entry %d)\n", out.Request.ID, out.Entry)
		return refusal(e, out.Refusal)
	}
	e.printf("grant %s: %s/%s of %s until %s (entry %d)\n", out.Grant.ID, out.Grant.Lens, out.Grant.Scope, out.Grant.Dataset, stamp(out.Grant.Until), out.Entry)
	e.printf("to connect: trefoil access show %s --secret\n", out.Grant.ID)
	return nil
}

func refusal(e *env, r *api.Refusal) error {
	if r == nil {
		return nil
	}
	fmt.Fprintf(e.stderr, "trefoil: %s\n", r.Message)
	for _, d := range r.Detail {
		fmt.Fprintf(e.stderr, "  %s\n", d)
	}
	if r.Hint != "" {
		fmt.Fprintf(e.stderr, "hint: %s\n", r.Hint)
	}
	return errRefused
}

// reasonPart salts a free text and puts its hash into the document.
func reasonPart(text string, hash *string) *api.Part {
	if text == "" {
		return nil
	}
	p := access.NewReason(text)
	*hash = p.Hash().String()
	return &api.Part{Name: p.Name, Salt: p.Salt[:], Data: p.Data}
}

type verdictCmd struct {
	Request    string `arg:"" help:"The request, such as r-aabk."`
	Reason     string `placeholder:"TEXT" help:"Why, in your words; sealed, for those who review."`
	person     `embed:""`
	connection `embed:""`
}

type approveCmd struct {
	verdictCmd `embed:""`
}

func (c *approveCmd) Run(e *env) error { return c.give(e, "approve") }

type denyCmd struct {
	verdictCmd `embed:""`
}

func (c *denyCmd) Run(e *env) error { return c.give(e, "deny") }

func (c *verdictCmd) give(e *env, verdict string) error {
	if _, err := sequence('r', c.Request); err != nil {
		return err
	}
	cl, err := c.open(&c.person)
	if err != nil {
		return err
	}
	var req api.Request
	if err := cl.call(e.ctx, "/v1/requests/"+c.Request, nil, &req); err != nil {
		return err
	}
	out, err := c.verdict(e.ctx, cl, verdict, req.Entry, req.Digest, c.Reason)
	if err != nil {
		return err
	}
	if verdict == "deny" {
		e.printf("request %s of %s is denied (entry %d)\n", req.ID, req.Login, out.Entry)
		return nil
	}
	e.printf("approval of %s by %s is recorded\n", req.ID, c.Login)
	if out.Grant != nil {
		e.printf("grant %s is given to %s until %s (entry %d)\n", out.Grant.ID, out.Grant.Login, stamp(out.Grant.Until), out.Entry)
		return nil
	}
	e.printf("the request is still refused (entry %d)\n", out.Entry)
	return refusal(e, out.Refusal)
}

func (p *person) verdict(ctx context.Context, cl *client, verdict string, object uint64, digest, reason string) (out api.Outcome, err error) {
	st, err := cl.status(ctx)
	if err != nil {
		return out, err
	}
	doc := record.SignedApproval{Format: record.ApprovalFormat, Origin: st.Origin, Login: p.Login, Verdict: verdict, Object: object, Digest: digest, Time: st.Time, Nonce: access.NewNonce()}
	part := reasonPart(reason, &doc.Reason)
	s, err := p.signed(ctx, record.ApprovalNamespace, doc)
	if err != nil {
		return out, err
	}
	s.Reason = part
	return out, cl.call(ctx, "/v1/verdicts", s, &out)
}

type revokeCmd struct {
	Grant      string `arg:"" help:"The grant, such as g-aabk."`
	Operator   bool   `help:"As operator, over the socket, instead of with your signature."`
	Reason     string `placeholder:"TEXT" help:"Why, in your words; sealed, for those who review. With your signature only."`
	person     `embed:""`
	connection `embed:""`
}

func (c *revokeCmd) Run(e *env) error {
	seq, err := sequence('g', c.Grant)
	if err != nil {
		return err
	}
	if c.Operator {
		return c.asOperator(e)
	}
	cl, err := c.open(&c.person)
	if err != nil {
		return err
	}
	if _, err := c.verdict(e.ctx, cl, "revoke", seq, "", c.Reason); err != nil {
		return err
	}
	e.printf("grant %s is revoked; its sessions have been cut off\n", c.Grant)
	return nil
}

func (c *revokeCmd) asOperator(e *env) error {
	if c.Reason != "" {
		return fault.New(fault.BadInput, "a reason goes with a signature").WithHint("leave out --operator, or --reason")
	}
	cl, err := (&socket{Config: c.Config, Socket: c.Socket}).open()
	if err != nil {
		return err
	}
	var g api.Grant
	if err := cl.call(e.ctx, "/v1/grants/"+c.Grant+"/revoke", struct{}{}, &g); err != nil {
		return err
	}
	e.printf("grant %s is revoked by the operator; its sessions have been cut off\n", c.Grant)
	return nil
}

// sequence reads the id of a request ('r') or grant ('g').
func sequence(prefix byte, id string) (uint64, error) {
	seq, err := record.ParseID(prefix, id)
	if err != nil {
		return 0, fault.New(fault.BadInput, "%s", err).WithHint("trefoil access list shows them")
	}
	return seq, nil
}
