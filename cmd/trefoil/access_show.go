package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/app"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

type listCmd struct {
	Mine       bool `help:"Only what is yours."`
	All        bool `help:"Also what is granted, denied, lapsed, expired or revoked."`
	person     `embed:""`
	connection `embed:""`
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
	asked := make(map[string]api.Request)
	var rows [][]string
	for _, r := range requests {
		asked[r.ID] = r
		if (c.All || r.State == "open") && (!c.Mine || r.Login == c.Login) {
			rows = append(rows, []string{r.ID, r.State, holder(r.Login, r.Service), r.Dataset, r.Lens + "/" + r.Scope, r.Purpose, dash(r.Case), people(r), lapses(r)})
		}
	}
	for _, g := range grants {
		if (c.All || g.State == "in-force") && (!c.Mine || g.Login == c.Login) {
			r := asked[g.Request]
			rows = append(rows, []string{g.ID, g.State, holder(g.Login, g.Service), g.Dataset, g.Lens + "/" + g.Scope, g.Purpose, dash(r.Case), people(r), stamp(g.Until)})
		}
	}
	if len(rows) == 0 {
		e.printf("no request is open and no grant in force\n")
		return nil
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{{"ID", "STATE", "LOGIN", "DATASET", "LENS", "PURPOSE", "CASE", "PEOPLE", "UNTIL"}}, rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// holder is whose a request or grant is, in a column: a service has its owner behind it.
func holder(login, service string) string {
	if service == "" {
		return login
	}
	return service + " (" + login + ")"
}

// lapses is until when a request can be granted.
func lapses(r api.Request) string {
	if r.Lapses == 0 || r.State == "granted" || r.State == "denied" {
		return "-"
	}
	return stamp(r.Lapses)
}

// people is how many a request is about.
func people(r api.Request) string {
	if r.Scope == "bulk" {
		return "all"
	}
	return fmt.Sprint(r.People)
}

type showCmd struct {
	ID         string `arg:"" help:"A request (r-…) or a grant (g-…)."`
	Secret     bool   `help:"Show the password and how to connect; signed by you and recorded."`
	Passfile   string `type:"path" placeholder:"FILE" help:"With --secret: add the password to this pgpass file instead of printing it."`
	person     `embed:""`
	connection `embed:""`
}

func (c *showCmd) Run(e *env) error {
	kind, _, _ := strings.Cut(c.ID, "-")
	if kind != "r" && kind != "g" {
		return fault.New(fault.BadInput, "%q is not the id of a request (r-…) or a grant (g-…)", c.ID).WithHint("trefoil access list shows them")
	}
	if c.Passfile != "" && !c.Secret {
		return fault.New(fault.BadInput, "--passfile goes with --secret").WithHint("trefoil access show %s --secret --passfile %s", c.ID, c.Passfile)
	}
	if kind == "r" && c.Secret {
		return fault.New(fault.BadInput, "a request has no password; its grant has").WithHint("trefoil access show %s names the grant", c.ID)
	}
	seq, err := sequence(kind[0], c.ID)
	if err != nil {
		return err
	}
	cl, err := c.open(&c.person)
	if err != nil {
		return err
	}
	switch {
	case c.Secret:
		return c.secret(e, cl, seq)
	case kind == "r":
		return c.request(e, cl)
	}
	return c.grant(e, cl)
}

func (c *showCmd) request(e *env, cl *client) error {
	var r api.Request
	if err := cl.call(e.ctx, "/v1/requests/"+c.ID, nil, &r); err != nil {
		return err
	}
	return fields(e, slices.Concat([]string{"request", r.ID, "state", r.State, "of", answering(r.Login, r.Service), "dataset", r.Dataset, "sites", sitesOf(r.Sites), "lens", r.Lens + "/" + r.Scope,
		"purpose", r.Purpose, "case", dash(r.Case), "people", people(r)}, opened(r.Sealed), []string{"for", length(r.Seconds), "asked", stamp(r.Time), "lapses", lapses(r),
		"approved by", dash(strings.Join(r.Approvals, ", ")), "grant", dash(r.Grant)})...)
}

// opened is what was sealed, each in one line, for those who are shown it.
func opened(s *api.Sealed) []string {
	if s == nil {
		return nil
	}
	keys := make([]string, len(s.Keys))
	for i, key := range s.Keys {
		if keys[i] = plain(key); strings.ContainsAny(key, ", ") {
			keys[i] = strconv.Quote(key)
		}
	}
	return []string{"keys", dash(strings.Join(keys, ", ")), "reason", dash(plain(s.Reason))}
}

func (c *showCmd) grant(e *env, cl *client) error {
	var g api.Grant
	if err := cl.call(e.ctx, "/v1/grants/"+c.ID, nil, &g); err != nil {
		return err
	}
	return fields(e, "grant", g.ID, "state", g.State, "of", answering(g.Login, g.Service), "request", g.Request, "dataset", g.Dataset, "sites", sitesOf(g.Sites), "lens", g.Lens+"/"+g.Scope,
		"purpose", g.Purpose, "from", stamp(g.From), "until", stamp(g.Until), "databases", dash(strings.Join(g.Database, ", ")))
}

// answering is whose a request or grant is: a person's, or a service's by a person.
func answering(login, service string) string {
	if service == "" {
		return login
	}
	return fmt.Sprintf("%s, for which %s answers", service, login)
}

func (c *showCmd) secret(e *env, cl *client, seq uint64) error {
	st, err := cl.status(e.ctx)
	if err != nil {
		return err
	}
	s, err := c.signed(e.ctx, record.SecretNamespace, record.SignedSecret{Format: record.SecretFormat, Origin: st.Origin, Login: c.Login, Grant: seq, Time: st.Time, Nonce: access.NewNonce()})
	if err != nil {
		return err
	}
	var out api.Secret
	if err := cl.call(e.ctx, "/v1/secrets", s, &out); err != nil {
		return err
	}
	host, port := c.gateAddr(st.Postgres[0])
	user := c.Login + "~" + c.ID
	if out.Grant.Service != "" {
		user = out.Grant.Service + "~" + c.ID
	}
	if c.Passfile != "" {
		if err := addLine(c.Passfile, fmt.Sprintf("*:%s:*:%s:%s", port, user, out.Secret)); err != nil {
			return err
		}
		e.printf("the password is in %s\n", c.Passfile)
	} else {
		e.printf("password  %s\n", out.Secret)
	}
	for _, db := range out.Grant.Database {
		e.printf("connect   psql \"host=%s port=%s user=%s dbname=%s sslmode=verify-full%s\"\n", host, port, user, db, c.files())
	}
	return nil
}

// gateAddr is where clients reach a gate that says it listens at addr: if that
// is every address of its machine, the one we have reached it at.
func (c *showCmd) gateAddr(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
		if u, err := url.Parse(c.URL); err == nil && c.URL != "" {
			host = u.Hostname()
		}
	}
	return host, port
}

// files are the settings psql needs that no PG… variable has given it already.
func (c *showCmd) files() (settings string) {
	if c.Passfile != "" && os.Getenv("PGPASSFILE") != c.Passfile {
		settings += " passfile=" + quoted(c.Passfile)
	}
	if os.Getenv("PGSSLROOTCERT") != "" {
		return settings
	}
	if c.URL != "" && c.CA != "" {
		return settings + " sslrootcert=" + quoted(c.CA)
	}
	if cfg, err := app.LoadConfig(c.Config); err == nil && c.URL == "" {
		settings += " sslrootcert=" + quoted(cfg.Path(cfg.TLS.Certificate)) // a self-signed one is its own authority
	}
	return settings
}

// quoted is a value as libpq's connection strings take it.
func quoted(value string) string {
	if !strings.ContainsAny(value, " '\\") {
		return value
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// addLine adds a line to a file of secrets, unless it is there.
func addLine(path, line string) error {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.BadInput, "%s can be read by others (mode %s); psql would ignore it", path, info.Mode().Perm()).WithHint("%s", shown([]string{"chmod", "600", path}))
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if lines := strings.Split(string(text), "\n"); err == nil && !slices.Contains(lines, line) {
		if lines[len(lines)-1] != "" {
			line = "\n" + line
		}
		_, err = f.WriteString(line + "\n")
	}
	return errors.Join(err, f.Close())
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

// sitesOf names sites; none named means all.
func sitesOf(sites []string) string {
	if len(sites) == 0 {
		return "all"
	}
	return strings.Join(sites, ", ")
}

// length is a duration as --for takes it: 8h, not 8h0m0s.
func length(seconds int64) string {
	d := (time.Duration(seconds) * time.Second).String()
	if short, ok := strings.CutSuffix(d, "m0s"); ok {
		d = short + "m"
	}
	if short, ok := strings.CutSuffix(d, "h0m"); ok {
		d = short + "h"
	}
	return d
}
