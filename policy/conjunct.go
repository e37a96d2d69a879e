package policy

import (
	"slices"
	"strings"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	xast "github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

// conjuncts splits a rule into the conditions that must all hold: its scope,
// each side of && in a when, and each side of || in an unless, negated.
func (rule *Rule) conjuncts() []xast.IsNode {
	p := (*xast.Policy)(rule.policy.AST())
	scope := *p
	scope.Conditions = nil
	var out []xast.IsNode
	for _, n := range splitAnd(eval.PolicyToNode(&scope).AsIsNode(), nil) {
		if _, trivial := n.(xast.NodeValue); !trivial { // "true" stands for no scope
			out = append(out, n)
		}
	}
	for _, c := range p.Conditions {
		if c.Condition == xast.ConditionWhen {
			out = splitAnd(c.Body, out)
			continue
		}
		for _, n := range splitOr(c.Body, nil) {
			out = append(out, xast.Not(xast.NewNode(n)).AsIsNode())
		}
	}
	return out
}

func splitAnd(n xast.IsNode, out []xast.IsNode) []xast.IsNode {
	if and, ok := n.(xast.NodeTypeAnd); ok {
		return splitAnd(and.Right, splitAnd(and.Left, out))
	}
	return append(out, n)
}

func splitOr(n xast.IsNode, out []xast.IsNode) []xast.IsNode {
	if or, ok := n.(xast.NodeTypeOr); ok {
		return splitOr(or.Right, splitOr(or.Left, out))
	}
	return append(out, n)
}

// holds evaluates one condition by itself; an error counts as not met, as when
// a guard such as `context has deviceCountry` stands beside it.
func holds(n xast.IsNode, env eval.Env) bool {
	v, err := eval.Eval(n, env)
	return err == nil && v == types.Boolean(true)
}

// unmet words a condition that does not hold, with what the request has:
// `context.approvalsOutside >= 1 (it is 0)`.
func unmet(n xast.IsNode, env eval.Env) string {
	text := source(n)
	if all, ok := n.(xast.NodeTypeContainsAll); ok {
		if missing := lacking(all, env); missing != "" {
			return text + " (it lacks " + missing + ")"
		}
	}
	switch ps := paths(n); len(ps) {
	case 0:
		return text
	case 1:
		return text + " (it is " + show(ps[0], env) + ")"
	default:
		var vs []string
		for _, p := range ps {
			vs = append(vs, p.String()+" is "+show(p, env))
		}
		return text + " (" + strings.Join(vs, ", ") + ")"
	}
}

// source prints a condition as Cedar.
func source(n xast.IsNode) string {
	p := (*ast.Policy)(xast.Permit().When(xast.NewNode(n)))
	s := string(cedar.NewPolicyFromAST(p).MarshalCedar())
	if _, cond, ok := strings.Cut(s, "when { "); ok {
		return strings.TrimSuffix(cond, " };")
	}
	return s
}

// lacking names the members that the left set of a containsAll does not have.
func lacking(n xast.NodeTypeContainsAll, env eval.Env) string {
	have, err1 := eval.Eval(n.Left, env)
	want, err2 := eval.Eval(n.Right, env)
	h, ok1 := have.(types.Set)
	w, ok2 := want.(types.Set)
	if err1 != nil || err2 != nil || !ok1 || !ok2 {
		return ""
	}
	var out []string
	for v := range w.All() {
		if !h.Contains(v) {
			out = append(out, string(v.MarshalCedar()))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// path is an attribute that a rule reads, such as context.purpose.
type path struct {
	root, attr types.String
}

func (p path) String() string { return string(p.root + "." + p.attr) }

func (p path) value(env eval.Env) (types.Value, error) {
	return eval.Eval(xast.NewNode(xast.NodeTypeVariable{Name: p.root}).Access(p.attr).AsIsNode(), env)
}

// paths are the attributes that a condition reads, in order, each once.
func paths(n xast.IsNode) []path {
	var out []path
	xast.Inspect(xast.NewNode(n), func(n xast.IsNode) bool {
		if a, ok := n.(xast.NodeTypeAccess); ok {
			if v, ok := a.Arg.(xast.NodeTypeVariable); ok {
				if p := (path{v.Name, a.Value}); !slices.Contains(out, p) {
					out = append(out, p)
				}
			}
		}
		return true
	})
	return out
}

// show prints an attribute's value as Cedar would write it.
func show(p path, env eval.Env) string {
	v, err := p.value(env)
	if err != nil {
		return "absent"
	}
	return render(v, func(v types.Value) string { return string(v.MarshalCedar()) }, "[", "]")
}

// plain prints an attribute's value for a reader.
func plain(v types.Value) string {
	s := render(v, func(v types.Value) string {
		switch v := v.(type) {
		case types.String:
			return string(v)
		case types.Boolean:
			if v {
				return "yes"
			}
			return "no"
		case types.Datetime:
			return time.UnixMilli(v.Milliseconds()).UTC().Format(time.RFC3339)
		}
		return string(v.MarshalCedar())
	}, "", "")
	if s == "" {
		return "none"
	}
	return s
}

// render prints sets in order: Cedar's own order is that of a map.
func render(v types.Value, one func(types.Value) string, open, end string) string {
	set, ok := v.(types.Set)
	if !ok {
		return one(v)
	}
	var vs []string
	for m := range set.All() {
		vs = append(vs, one(m))
	}
	slices.Sort(vs)
	return open + strings.Join(vs, ", ") + end
}
