package policy

import (
	"crypto/sha256"
	_ "embed" // the schema is part of the program: what a rule may see is not configurable
	"fmt"
	"regexp"
	"slices"
	"strings"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	xast "github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

//go:embed schema.cedarschema
var schemaSource []byte

// maxRules bounds one rules file.
const maxRules = 1000

var idForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Rule is one rule as it is shown to people.
type Rule struct {
	ID           string
	Why          string // one plain sentence
	Forbids      bool
	Confidential bool // a refusal says one fixed sentence only
	Line         int

	duty   string
	policy *cedar.Policy
	lenses []string // to which its action scope can apply
}

// Rules is a parsed rules file. It does not change, and is safe for use by many.
type Rules struct {
	name    string
	rules   []*Rule            // sorted by ID
	byLens  map[string][]*Rule // the static action index, each sorted by ID
	actions map[types.String]types.Entity
	source  []byte
	digest  [sha256.Size]byte
}

// Parse reads a rules file. Every rule needs a unique @id (lower-case letters,
// digits, hyphens) and a @why; @confidential is optional; other annotations are
// refused. Rules are checked against the schema, so one that reads an attribute
// that does not exist, or compares unlike things, is an error here. Errors have
// the form "name:line: sentence" and are fault.BadInput or fault.TooLarge.
func Parse(name string, src []byte) (*Rules, error) {
	return parse(name, src, "id", "why", "confidential")
}

func parse(name string, src []byte, annotations ...string) (r *Rules, err error) {
	if err := scan(name, src); err != nil {
		return nil, err
	}
	// The parser, type checker and compiler are not ours; a panic of theirs is an
	// unreadable file, not a dead gate.
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fault.New(fault.BadInput, "%s: the rules cannot be read: %v", name, p)
		}
	}()
	policies, err := cedar.NewPolicyListFromBytes(name, src)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if len(policies) == 0 || len(policies) > maxRules {
		return nil, fault.New(fault.BadInput, "%s:1: a rules file has 1 to %d rules; this one has %d", name, maxRules, len(policies))
	}
	checks, actions, err := readSchema()
	if err != nil {
		return nil, err
	}
	r = &Rules{name: name, byLens: make(map[string][]*Rule), actions: actions, source: slices.Clone(src), digest: sha256.Sum256(src)}
	lines := make(map[string]int)
	for _, p := range policies {
		rule, err := r.newRule(p, annotations)
		if err != nil {
			return nil, err
		}
		if first, twice := lines[rule.ID]; twice {
			return nil, r.fail(rule.Line, "@id(%q) is already used in line %d", rule.ID, first)
		}
		lines[rule.ID] = rule.Line
		if err := checks.Policy(rule.ID, (*xast.Policy)(p.AST())); err != nil {
			return nil, r.fail(rule.Line, "rule %s: %v", rule.ID, err)
		}
		r.rules = append(r.rules, rule)
	}
	slices.SortFunc(r.rules, func(a, b *Rule) int { return strings.Compare(a.ID, b.ID) })
	for _, rule := range r.rules {
		for _, l := range rule.lenses {
			r.byLens[l] = append(r.byLens[l], rule)
		}
	}
	return r, nil
}

// What cedar-go says: parse error at <input>:2:1 "next": exact got ) want ,
var (
	parserWords = regexp.MustCompile(`parse error at [^ ]*?(\d+):(\d+) ".*?": (?s:(.*))$`)
	wantedToken = regexp.MustCompile(`^exact got (.*) want (.*)$`)
)

// unreadable puts what the parser says into our form.
func unreadable(name string, err error) error {
	m := parserWords.FindStringSubmatch(err.Error())
	if m == nil {
		return fault.New(fault.BadInput, "%s:1: %w", name, err)
	}
	why := m[3]
	if t := wantedToken.FindStringSubmatch(why); t != nil {
		why = fmt.Sprintf("%q where %q is expected", t[1], t[2])
		if t[1] == "" {
			why = fmt.Sprintf("the file ends where %q is expected", t[2])
		}
	}
	return fault.New(fault.BadInput, "%s:%s: column %s: %s", name, m[1], m[2], why)
}

func (r *Rules) fail(line int, format string, args ...any) error {
	return fault.New(fault.BadInput, "%s:%d: "+format, append([]any{r.name, line}, args...)...)
}

func (r *Rules) newRule(p *cedar.Policy, known []string) (*Rule, error) {
	rule := &Rule{Forbids: p.Effect() == cedar.Forbid, Line: p.Position().Line, policy: p}
	a := p.Annotations()
	keys := make([]string, 0, len(a))
	for k := range a {
		keys = append(keys, string(k))
	}
	slices.Sort(keys)
	for _, k := range keys {
		if !slices.Contains(known, k) {
			return nil, r.fail(rule.Line, "annotation @%s is not known; @%s are", k, strings.Join(known, ", @"))
		}
	}
	rule.ID, rule.Why, rule.duty = string(a["id"]), string(a["why"]), string(a["duty"])
	_, rule.Confidential = a["confidential"]
	if !idForm.MatchString(rule.ID) {
		return nil, r.fail(rule.Line, "a rule needs an @id of lower-case letters, digits and hyphens, such as @id(\"case-only\")")
	}
	if strings.TrimSpace(rule.Why) == "" || len(rule.Why) > 500 || strings.ContainsFunc(rule.Why, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, r.fail(rule.Line, "rule %s needs a @why: one plain sentence of at most 500 bytes", rule.ID)
	}
	for _, lens := range Lenses() {
		if r.applies(p, lens) {
			rule.lenses = append(rule.lenses, lens)
		}
	}
	if len(rule.lenses) == 0 {
		return nil, r.fail(rule.Line, "rule %s applies to no lens; the actions are readClear, readMasked, readPseudonymous, readAggregate, readRows, read", rule.ID)
	}
	return rule, nil
}

// applies decides a rule's action scope for a lens, once, when it is read.
func (r *Rules) applies(p *cedar.Policy, lens string) bool {
	action := r.actions[actionOf(lens)]
	within := func(uid types.EntityUID) bool { return uid == action.UID || action.Parents.Contains(uid) }
	switch s := p.AST().Action.(type) {
	case xast.ScopeTypeEq:
		return s.Entity == action.UID
	case xast.ScopeTypeIn:
		return within(s.Entity)
	case xast.ScopeTypeInSet:
		return slices.ContainsFunc(s.Entities, within)
	}
	return true // any action
}

// readSchema gives the type checker and the action entities with all their
// ancestors: cedar-go looks one level up only when they are not spelled out.
func readSchema() (*validate.Validator, map[types.String]types.Entity, error) {
	var s schema.Schema
	s.SetFilename("schema.cedarschema")
	if err := s.UnmarshalCedar(schemaSource); err != nil {
		return nil, nil, err
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, nil, err
	}
	actions := make(map[types.String]types.Entity, len(resolved.Actions))
	for uid := range resolved.Actions {
		var up []types.EntityUID
		for queue := []types.EntityUID{uid}; len(queue) > 0; queue = queue[1:] {
			for parent := range resolved.Actions[queue[0]].Entity.Parents.All() {
				up, queue = append(up, parent), append(queue, parent)
			}
		}
		actions[uid.ID] = types.Entity{UID: uid, Parents: types.NewEntityUIDSet(up...)}
	}
	return validate.New(resolved), actions, nil
}

// All are the rules sorted by ID.
func (r *Rules) All() []Rule {
	out := make([]Rule, len(r.rules))
	for i, rule := range r.rules {
		out[i] = *rule
	}
	return out
}

// Condition is the rule in one form, without annotations, comments and the lenses
// that it is about, such that rules that decide alike in the same words have the same.
func (r Rule) Condition() string {
	p := *(*xast.Policy)(r.policy.AST())
	p.Action = xast.ScopeTypeAll{}
	var out []string
	for l := range strings.Lines(string(cedar.NewPolicyFromAST((*ast.Policy)(&p)).MarshalCedar())) {
		if !strings.HasPrefix(l, "@") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

// Lenses are those that the rule is about, from most to least revealing.
func (r Rule) Lenses() []string { return slices.Clone(r.lenses) }

// Duty is the duty that a rule of a duties file asks for, empty in others.
func (r Rule) Duty() string { return r.duty }

// Source is the file's bytes as they are published.
func (r *Rules) Source() []byte { return slices.Clone(r.source) }

// Digest is the SHA-256 of Source.
func (r *Rules) Digest() [sha256.Size]byte { return r.digest }

// SchemaDigest is the SHA-256 of what rules may look at; a decision's record
// carries it.
func SchemaDigest() [sha256.Size]byte { return sha256.Sum256(schemaSource) }
