package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/policy"
)

func TestRefusalsOfTheStory(t *testing.T) {
	book, facts := clips(t)
	for _, c := range []struct {
		name   string
		in     policy.Input
		rule   string
		best   *policy.Option
		unlock *policy.Unlock
		says   []string
	}{
		{
			"mei asks for clear", ask(t, facts, "mei", "clear", "case", "engineering", abroad), "third-country-law",
			&policy.Option{Lens: "masked", Scope: "case"}, nil,
			[]string{
				"clear access to clips in scope case is refused by rule third-country-law",
				"A law that can compel disclosure reaches this person",
				"rule whereabouts-in-clear refuses it too",
				"law regimes that reach this access: compelled-disclosure",
				"countries: employer XB, employment XB, address XB",
				"permitted now: masked in scope case",
				"trefoil access request clips --lens masked --scope case --purpose engineering --case CASE",
			},
		},
		{
			"jonas asks for whole tables", ask(t, facts, "jonas", "masked", "bulk", "support", dublin), "support-case",
			&policy.Option{Lens: "masked", Scope: "case", Needs: policy.Unlock{Case: true}}, nil,
			[]string{
				"no rule permits masked access to clips in scope bulk for purpose support",
				`it also needs: context.scope == "case" (it is "bulk")`,
				"masked in scope case would be permitted with a case reference",
			},
		},
		{
			"jonas is abroad", ask(t, facts, "jonas", "masked", "case", "support", abroad), "support-case", nil, nil,
			[]string{
				`resource.adequate.containsAll(context.countries) (it lacks "XB")`,
				"no other lens or scope is permitted to jonas for purpose support",
			},
		},
		{
			"sean has nobody's approval", ask(t, facts, "sean", "masked", "bulk", "engineering", dublin), "engineering-bulk",
			&policy.Option{Lens: "masked", Scope: "case", Needs: policy.Unlock{Case: true}},
			&policy.Unlock{Approvals: 1, By: policy.Outside},
			[]string{
				"context.approvalsOutside >= 1 (it is 0)",
				"it would be permitted with one more approval, by somebody outside sean's hierarchy",
				"trefoil access request clips --lens masked --scope case --purpose engineering --case CASE --subject KEY",
			},
		},
		{
			"viktor has his manager's approval", ask(t, facts, "viktor", "masked", "case", "audit", dublin, approvedBy("diana")), "approver-outside-hierarchy",
			nil, &policy.Unlock{Approvals: 1, By: policy.OutsideInZone},
			[]string{
				"is refused by rule approver-outside-hierarchy",
				"approvals from outside the hierarchy, by people employed inside the zone: 0",
				"approval by diana (internal-audit): within viktor's hierarchy",
				"one more approval, by somebody outside viktor's hierarchy who is employed inside zone eu",
			},
		},
		{
			"the hour is over", ask(t, facts, "sean", "masked", "case", "break-glass", dublin, minutesLater(61)), "break-glass", nil, nil,
			[]string{`<= duration("60m") (context.now is datetime("2026-05-04T13:01:00.000Z"), context.openedAt is`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := book.Decide(c.in)
			f := book.Rules.Explain(c.in, d, []string{"masked"})
			all := f.Message + "\n" + strings.Join(f.Detail, "\n") + "\n" + f.Hint
			if f.Rule != c.rule || f.Why == "" {
				t.Errorf("names rule %q (%s), not %q", f.Rule, f.Why, c.rule)
			}
			if fmt.Sprint(deref(f.Best)) != fmt.Sprint(deref(c.best)) || fmt.Sprint(deref(f.Unlock)) != fmt.Sprint(deref(c.unlock)) {
				t.Errorf("best %v, unlock %v; want %v, %v", deref(f.Best), deref(f.Unlock), deref(c.best), deref(c.unlock))
			}
			for _, s := range c.says {
				if !strings.Contains(all, s) {
					t.Errorf("it does not say %q:\n%s", s, all)
				}
			}
			if again := book.Rules.Explain(c.in, d, []string{"masked"}); fmt.Sprint(again) == "" || again.Hint != f.Hint || !slices.Equal(again.Detail, f.Detail) {
				t.Error("it says something else the second time")
			}
			if e := f.Fault(); e.Kind != fault.Denied || e.Message != f.Message || e.Hint != f.Hint {
				t.Errorf("as a fault: %+v", e)
			}
		})
	}
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// The way on that waits for nobody comes before a wider lens that does.
func TestTheHintKeepsToTheLensAskedFor(t *testing.T) {
	book, facts := clips(t)
	in := ask(t, facts, "jonas", "masked", "bulk", "support", dublin)
	in.HasCase = false
	f := book.Rules.Explain(in, book.Decide(in), []string{"clear", "masked", "pseudonymous"})
	if want := "trefoil access request clips --lens masked --scope case --purpose support --case CASE --subject KEY"; f.Hint != want {
		t.Errorf("it hints %q, not %q", f.Hint, want)
	}
	n := len(f.Detail)
	want := []string{
		"masked in scope case would be permitted with a case reference",
		"clear in scope case would be permitted with a case reference and one more approval, by somebody outside jonas's hierarchy who is employed inside zone eu",
	}
	if n < 2 || !slices.Equal(f.Detail[n-2:], want) {
		t.Errorf("it says %q, not at last %q", f.Detail, want)
	}
}

// What a hint says to run is permitted as it stands, for everybody and
// everything, unless it says that an approver comes first.
func TestHintsAreTrue(t *testing.T) {
	book, facts := clips(t)
	ran, waits := 0, 0
	for _, login := range facts.Directory.Logins() {
		for _, lens := range policy.Lenses() {
			for _, scope := range policy.Scopes() {
				for _, purpose := range []string{"support", "engineering", "audit", "break-glass", "statistics", "curiosity"} {
					for _, with := range []func(*policy.Question){approvedBy(), withoutCase, approvedBy("astrid", "diana")} {
						in := ask(t, facts, login, lens, scope, purpose, dublin, with)
						f := book.Rules.Explain(in, book.Decide(in), policy.Lenses())
						if book.Decide(in).Allow {
							if f.Message != "" {
								t.Fatalf("a permitted access is explained: %+v", f)
							}
							continue
						}
						if f.Hint == "" || strings.Contains(f.Hint, "approve") {
							waits++
							continue
						}
						ran++
						args := strings.Fields(f.Hint)
						again := ask(t, facts, login, args[5], args[7], args[9], dublin)
						again.HasCase = slices.Contains(args, "--case")
						if !book.Decide(again).Allow {
							t.Errorf("%s, %s/%s for %s: the hint is denied: %s", login, lens, scope, purpose, f.Hint)
						}
					}
				}
			}
		}
	}
	if ran == 0 || waits == 0 {
		t.Fatalf("%d hints can be run, %d wait", ran, waits)
	}
}

func TestConfidentialRulesSayOneSentence(t *testing.T) {
	_, facts := clips(t)
	r := rules(t, allowAll+
		`@id("secret-watch") @why("A secret.") @confidential forbid(principal,action == Action::"readMasked",resource) when { principal.login == "jonas" };`+
		`@id("open") @why("Open.") forbid(principal,action == Action::"readMasked",resource);`)
	in := ask(t, facts, "jonas", "masked", "case", "support", dublin)
	d := r.Decide(in)
	if !slices.Equal(d.Reasons, []string{"open", "secret-watch"}) {
		t.Fatalf("decided %+v", d)
	}
	if f := r.Explain(in, d, policy.Lenses()); fmt.Sprintf("%+v", f) != fmt.Sprintf("%+v", policy.Refusal{Message: policy.Confidential}) {
		t.Fatalf("it says %+v", f)
	}
}

func TestConfidentialPermitsAreNotNamed(t *testing.T) {
	_, facts := clips(t)
	r := rules(t, `@id("hidden") @why("A secret.") @confidential permit(principal,action,resource) when { context.subjects > 1 };`+
		`@id("shown") @why("Shown.") permit(principal,action,resource) when { context.subjects > 5 && context.approvalsAll > 3 };`)
	in := ask(t, facts, "jonas", "masked", "case", "support", dublin)
	f := r.Explain(in, r.Decide(in), nil)
	if f.Rule != "shown" || strings.Contains(fmt.Sprint(f), "hidden") {
		t.Fatalf("it says %+v", f)
	}
}

func TestUnlessIsExplainedByItsSides(t *testing.T) {
	_, facts := clips(t)
	r := rules(t, `@id("p") @why("P.") permit(principal is Person,action in [Action::"readClear"],resource == Dataset::"clips")
		unless { context.hasCase || context.purpose == "support" || (context has deviceCountry && context.deviceCountry == "XB") };`)
	in := ask(t, facts, "jonas", "masked", "case", "support", dublin)
	f := r.Explain(in, r.Decide(in), nil)
	want := `it also needs: action in [Action::"readClear"]; !context.hasCase (it is true); !(context.purpose == "support") (it is "support")`
	if len(f.Detail) < 2 || f.Detail[1] != want {
		t.Fatalf("it says %q", f.Detail)
	}
}
