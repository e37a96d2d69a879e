package gate

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

func base64Std(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// target is what a client's user and database mean.
type target struct {
	login   string
	grant   string // as sent behind '~', or empty
	dataset string
	site    string // or empty
}

func parseTarget(user, database string) target {
	var t target
	t.login, t.grant, _ = strings.Cut(user, "~")
	t.dataset, t.site, _ = strings.Cut(database, ".")
	return t
}

// held gives the grants a target could mean, oldest first.
func (t target) held(s *access.State, now int64) []access.Grant {
	held := s.Held(t.login, t.dataset, now)
	if t.grant == "" {
		return held
	}
	return slices.DeleteFunc(held, func(g access.Grant) bool { return g.ID() != t.grant })
}

// known gives the grants whose secret would tell who this is: those that could
// be meant, or the very one that was named, even if it has ended or is for
// another dataset. Whoever knows its secret may be told what is wrong with it.
func (t target) known(s *access.State, now int64) []access.Grant {
	if t.grant != "" {
		seq, err := record.ParseID('g', t.grant)
		if g, ok := s.Grants[seq]; err == nil && ok && g.Holder() == t.login {
			return []access.Grant{g}
		}
		return nil
	}
	return t.held(s, now)
}

// ended says why a grant whose secret was known does not let in.
func (t target) ended(s *access.State, grant uint64) *fault.Error {
	g := s.Grants[grant]
	var f *fault.Error
	switch {
	case g.Dataset != t.dataset:
		return fault.New(fault.NotFound, "grant %s is for dataset %s, not %q", g.ID(), g.Dataset, t.dataset).
			WithHint("dbname=%s.SITE; trefoil access show %s lists the sites", g.Dataset, g.ID())
	case g.Ended != 0:
		f = fault.New(fault.GrantEnded, "grant %s was revoked", g.ID())
	default:
		f = fault.New(fault.GrantEnded, "grant %s expired at %s", g.ID(), time.UnixMicro(g.Until).UTC().Format(time.DateTime+"Z"))
	}
	return f.WithHint("ask again: trefoil access request %s", t.dataset)
}

// Lookup implements pggate.Desk.
func (g *Gate) Lookup(user, database string) pggate.Credentials {
	t := parseTarget(user, database)
	c := pggate.Credentials{Salt: g.seed.salt(t.login, t.grant), Iterations: iterations}
	for _, grant := range t.known(g.register.State(), g.now()) {
		keys, err := g.verifiers.of(g.seed.Secret(grant.Seq), c.Salt)
		if err != nil {
			g.log.Error("verifier", "err", err)
			continue
		}
		keys.Grant = grant.Seq
		c.Candidates = append(c.Candidates, keys)
	}
	if len(c.Candidates) == 0 { // the same work for a name nobody has
		_, _ = g.verifiers.of("", c.Salt)
	}
	return c
}

// choose settles grant and site. grant is the one whose secret was proved; 0 when a
// client certificate proved the login alone. Several that fit are never resolved by
// taking "the newest": the hint lists the exact strings.
//
// A site is an option when it has a store here, or is named.
func (t target) choose(s *access.State, stores map[string]Store, grant uint64, now int64) (g access.Grant, site string, err *fault.Error) {
	held := t.held(s, now)
	i := slices.IndexFunc(held, func(h access.Grant) bool { return h.Seq == grant || grant == 0 })
	if i < 0 {
		if grant == 0 {
			return g, "", fault.New(fault.Denied, "%s holds no such grant for dataset %q", t.login, t.dataset).
				WithHint("trefoil access request %s", t.dataset)
		}
		return g, "", t.ended(s, grant)
	}
	type option struct {
		grant access.Grant
		site  string
	}
	var options []option
	for _, h := range held {
		for _, site := range sites(s, h) {
			if t.site == site.Name || t.site == "" && stores[site.Store] != nil {
				options = append(options, option{h, site.Name})
			}
		}
	}
	// The secret of one grant never opens another, even where only that one fits.
	if len(options) == 1 && (grant == 0 || options[0].grant.Seq == grant) {
		return options[0].grant, options[0].site, nil
	}
	if len(options) < 2 {
		return held[i], "", t.nowhere(s, stores, held[i])
	}
	var hints []string
	for _, o := range options[:min(len(options), maxOptions)] {
		hints = append(hints, fmt.Sprintf("user=%s~%s dbname=%s.%s", t.login, o.grant.ID(), t.dataset, o.site))
	}
	if more := len(options) - len(hints); more > 0 {
		hints = append(hints, fmt.Sprintf("or one of %d more: trefoil access list --mine", more))
	}
	return held[i], "", fault.New(fault.Ambiguous, "%s could mean %d things", t, len(options)).
		WithHint("use one of: %s", strings.Join(hints, "; "))
}

// maxOptions is how many connection strings a refusal lists; libpq takes no
// message longer than 30,000 bytes.
const maxOptions = 100

// nowhere says why a grant reaches no site of the target.
func (t target) nowhere(s *access.State, stores map[string]Store, g access.Grant) *fault.Error {
	if z := s.Rules.Catalog.ZoneOf(t.site); z != nil && z.Name != s.Zone && s.Zone != "" {
		return fault.New(fault.NotFound, "site %s lies in zone %s; this is the gate of zone %s", t.site, z.Name, s.Zone).
			WithHint("ask for access at zone %s, whose gate, rules and log are others", z.Name)
	}
	reached := reach(s, stores, g)
	if len(reached) == 0 {
		return fault.New(fault.StoreAway, "this gate has a store for no site of grant %s", g.ID()).
			WithHint("the operator adds it under stores: in trefoil.yaml")
	}
	return fault.New(fault.NotFound, "grant %s does not reach dataset %s at %q", g.ID(), t.dataset, t.site).
		WithHint("its sites are %s", strings.Join(reached, ", "))
}

// String is the target as it was sent.
func (t target) String() string {
	user, database := t.login, t.dataset
	if t.grant != "" {
		user += "~" + t.grant
	}
	if t.site != "" {
		database += "." + t.site
	}
	return fmt.Sprintf("user=%s dbname=%s", user, database)
}

// Reach gives the sites that a grant reaches and that have a store here, in the
// catalogue's order.
func (g *Gate) Reach(grant access.Grant) []string {
	return reach(g.register.State(), g.stores, grant)
}

func reach(s *access.State, stores map[string]Store, g access.Grant) (names []string) {
	for _, site := range sites(s, g) {
		if stores[site.Store] != nil {
			names = append(names, site.Name)
		}
	}
	return names
}

// sites gives the sites of a grant, in the catalogue's order.
func sites(s *access.State, g access.Grant) []*catalog.Site {
	ds, _, err := s.Dataset(g.Dataset)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(ds.Sites), func(site *catalog.Site) bool {
		return len(g.Sites) > 0 && !slices.Contains(g.Sites, site.Name)
	})
}
