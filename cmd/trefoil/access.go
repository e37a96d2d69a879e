package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
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
	connection `embed:""`
	person     `embed:""`
	Dataset    string        `arg:"" help:"Dataset of the catalogue."`
	Lens       string        `default:"masked" help:"clear, masked, pseudonymous or aggregate."`
	Scope      string        `default:"case" help:"case: the people you name; bulk: everybody in the store."`
	Purpose    string        `required:"" help:"Purpose code, such as support."`
	Case       string        `help:"Your reference, such as a ticket number."`
	Subject    []string      `help:"Key of a person of the case; repeat, or separate by commas."`
	Site       []string      `help:"Only these sites [all of the dataset]."`
	For        time.Duration `default:"8h" help:"How long."`
	Reason     string        `help:"Why, in your words; sealed, for those who review."`
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
	doc := record.SignedRequest{Format: record.RequestFormat, Origin: st.Origin, Login: c.Login, Dataset: c.Dataset, Sites: append([]string{}, c.Site...),
		Lens: c.Lens, Scope: c.Scope, Purpose: c.Purpose, Case: c.Case, Seconds: int64(c.For / time.Second), Subjects: []string{}, Time: st.Time, Nonce: access.NewNonce()}
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
	connection `embed:""`
	person     `embed:""`
	Request    string `arg:"" help:"The request, such as r-aabk."`
	Reason     string `help:"Why, in your words."`
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
	connection `embed:""`
	person     `embed:""`
	Grant      string `arg:"" help:"The grant, such as g-aabk."`
	Operator   bool   `help:"As operator, by the socket's peer, instead of with your signature."`
	Reason     string `help:"Why, in your words."`
}

func (c *revokeCmd) Run(e *env) error {
	cl, err := c.open(&c.person)
	if err != nil {
		return err
	}
	seq, err := record.ParseID('g', c.Grant)
	if err != nil {
		return fault.New(fault.BadInput, "%s", err)
	}
	if c.Operator {
		var g api.Grant
		if err := cl.call(e.ctx, "/v1/grants/"+c.Grant+"/revoke", struct{}{}, &g); err != nil {
			return err
		}
	} else if _, err := c.verdict(e.ctx, cl, "revoke", seq, "", c.Reason); err != nil {
		return err
	}
	e.printf("grant %s is revoked; its sessions have been cut off\n", c.Grant)
	return nil
}

type listCmd struct {
	connection `embed:""`
	person     `embed:""`
	Mine       bool `help:"Only what is yours."`
	All        bool `help:"Also what is closed, expired or revoked."`
}

func (c *listCmd) Run(e *env) error {
	cl, err := c.open(&c.person)
	if err != nil {
		return err
	}
	var requests []api.Request
	var grants []api.Grant
	if err := cl.call(e.ctx, "/v1/requests", nil, &requests); err != nil {
		return err
	}
	if err := cl.call(e.ctx, "/v1/grants", nil, &grants); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tLOGIN\tDATASET\tLENS\tPURPOSE\tCASE\tPEOPLE\tUNTIL")
	for _, r := range requests {
		if (c.All || r.State == "open") && (!c.Mine || r.Login == c.Login) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s/%s\t%s\t%s\t%d\t\n", r.ID, r.State, r.Login, r.Dataset, r.Lens, r.Scope, r.Purpose, dash(r.Case), r.People)
		}
	}
	for _, g := range grants {
		if (c.All || g.State == "in-force") && (!c.Mine || g.Login == c.Login) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s/%s\t%s\t\t\t%s\n", g.ID, g.State, g.Login, g.Dataset, g.Lens, g.Scope, g.Purpose, stamp(g.Until))
		}
	}
	return w.Flush()
}

type showCmd struct {
	connection `embed:""`
	person     `embed:""`
	ID         string `arg:"" help:"A request (r-…) or a grant (g-…)."`
	Secret     bool   `help:"Show the password and how to connect; signed by you and recorded."`
	Passfile   string `type:"path" help:"With --secret: add the password to this pgpass file instead of printing it."`
}

func (c *showCmd) Run(e *env) error {
	cl, err := c.open(&c.person)
	if err != nil {
		return err
	}
	if c.Secret {
		return c.secret(e, cl)
	}
	if strings.HasPrefix(c.ID, "r-") {
		var r api.Request
		if err := cl.call(e.ctx, "/v1/requests/"+c.ID, nil, &r); err != nil {
			return err
		}
		return fields(e, "request", r.ID, "state", r.State, "of", r.Login, "dataset", r.Dataset, "sites", dash(strings.Join(r.Sites, ", ")), "lens", r.Lens+"/"+r.Scope,
			"purpose", r.Purpose, "case", dash(r.Case), "people", fmt.Sprint(r.People), "asked", stamp(r.Time), "approved by", dash(strings.Join(r.Approvals, ", ")), "grant", dash(r.Grant))
	}
	var g api.Grant
	if err := cl.call(e.ctx, "/v1/grants/"+c.ID, nil, &g); err != nil {
		return err
	}
	return fields(e, "grant", g.ID, "state", g.State, "of", g.Login, "request", g.Request, "lens", g.Lens+"/"+g.Scope, "purpose", g.Purpose,
		"from", stamp(g.From), "until", stamp(g.Until), "databases", strings.Join(g.Database, ", "))
}

func (c *showCmd) secret(e *env, cl *client) error {
	st, err := cl.status(e.ctx)
	if err != nil {
		return err
	}
	seq, err := record.ParseID('g', c.ID)
	if err != nil {
		return fault.New(fault.BadInput, "%s", err)
	}
	s, err := c.signed(e.ctx, record.SecretNamespace, record.SignedSecret{Format: record.SecretFormat, Origin: st.Origin, Login: c.Login, Grant: seq, Time: st.Time, Nonce: access.NewNonce()})
	if err != nil {
		return err
	}
	var out api.Secret
	if err := cl.call(e.ctx, "/v1/secrets", s, &out); err != nil {
		return err
	}
	host, port, _ := strings.Cut(st.Postgres[0], ":")
	if c.Passfile != "" {
		line := fmt.Sprintf("*:%s:*:%s~%s:%s\n", port, c.Login, c.ID, out.Secret)
		if err := appendFile(c.Passfile, line); err != nil {
			return err
		}
		e.printf("the password is in %s\n", c.Passfile)
	} else {
		e.printf("password  %s\n", out.Secret)
	}
	for _, db := range out.Grant.Database {
		e.printf("connect   psql \"host=%s port=%s user=%s~%s dbname=%s sslmode=verify-full\"\n", host, port, c.Login, c.ID, db)
	}
	return nil
}

func appendFile(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func fields(e *env, pairs ...string) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(w, "%s\t%s\n", pairs[i], pairs[i+1])
	}
	return w.Flush()
}

func stamp(micros int64) string { return time.UnixMicro(micros).UTC().Format("2006-01-02 15:04:05Z") }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
