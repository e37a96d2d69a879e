package policy_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/policy"
)

const head = `@id("a") @why("Because.") `

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("(", 1_000_000)
	for _, c := range []struct{ name, src, want string }{
		{"an end too early", "permit (principal,\n  action", `r.cedar:2: column 9: the file ends where "," is expected`},
		{"not a rule", "permit (principal)\nfoo;", `r.cedar:2: column 1: ")" where "," is expected`},
		{"nothing", "", "r.cedar:1: a rules file has 1 to 1000 rules"},
		{"a comment", "// nobody", "1 to 1000 rules"},
		{"a million parentheses", head + "permit(principal,action,resource) when {" + deep, "at most 262144"},
		{"200,000 parentheses", head + "permit(principal,action,resource) when {" + deep[:200_000], "nested more than 64 deep"},
		{"parentheses that close", head + "permit(principal,action,resource) when {" + strings.Repeat("(", 65) + "true" + strings.Repeat(")", 65) + "};", "64 deep"},
		{"a long chain of nots", head + "permit(principal,action,resource) when {" + strings.Repeat("!", 100_000) + "true};", "more than 4096"},
		{"a long chain of ands", head + "permit(principal,action,resource) when {true" + strings.Repeat("&&true", 30_000) + "};", "more than 4096"},
		{"a long chain of attributes", head + "permit(principal,action,resource) when {context" + strings.Repeat(".a", 60_000) + "};", "more than 4096"},
		{"a long chain of ifs", head + "permit(principal,action,resource) when {" + strings.Repeat("if true then true else ", 9000) + "true};", "more than 4096"},
		{"depth behind an open string", head + "permit(principal,action,resource) when {\"" + deep[:200_000], "a string does not end"},
		{"depth behind an escaped quote", head + `permit(principal,action,resource) when {"\"` + "\n" + deep[:200_000], "a string does not end"},
		{"depth behind a comment", head + "permit(principal,action,resource) when {// \"\n" + deep[:200_000], "64 deep"},
		{"block comment", head + "/* no */ permit(principal,action,resource);", "no block comments"},
		{"not UTF-8", head + "permit(principal,action,resource) // \xff\n;", "UTF-8"},
		{"a zero byte", head + "permit(principal,action,resource);\x00", "zero bytes"},
		{"not Cedar", "allow all", "r.cedar"},
		{"no id", `@why("x") permit(principal,action,resource);`, "needs an @id"},
		{"id with capitals", `@id("A") @why("x") permit(principal,action,resource);`, "needs an @id"},
		{"no why", `@id("a") permit(principal,action,resource);`, "rule a needs a @why"},
		{"empty why", `@id("a") @why("  ") permit(principal,action,resource);`, "rule a needs a @why"},
		{"why over two lines", `@id("a") @why("x\ny") permit(principal,action,resource);`, "rule a needs a @why"},
		{"unknown annotation", head + `@approvals("2") permit(principal,action,resource);`, "@approvals is not known"},
		{"id twice", head + "permit(principal,action,resource);\n\n" + head + "permit(principal,action,resource);", `r.cedar:3: @id("a") is already used in line 1`},
		{"unknown attribute", head + `permit(principal,action,resource) when {context.aproval > 1};`, "rule a"},
		{"unknown principal attribute", head + `forbid(principal,action,resource) when {principal.name == "x"};`, "rule a"},
		{"unlike types", head + `forbid(principal,action,resource) when {context.subjects == "1"};`, "rule a"},
		{"not a condition", head + `forbid(principal,action,resource) when {context.subjects};`, "rule a"},
		{"unguarded optional attribute", head + `forbid(principal,action,resource) when {context.deviceCountry == "XB"};`, "rule a"},
		{"unknown action in scope", head + `permit(principal,action == Action::"readAll",resource);`, "rule a"},
		{"unknown action in a condition", head + `forbid(principal,action,resource) unless {action == Action::"readMaskd"};`, "rule a"},
		{"unknown action in a set", head + `forbid(principal,action in [Action::"readMasked", Action::"readMaskd"],resource);`, "rule a"},
		{"unknown entity type", head + `permit(principal == User::"jonas",action,resource);`, "rule a"},
		{"template", head + `permit(principal == ?principal,action,resource);`, "r.cedar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := policy.Parse("r.cedar", []byte(c.src))
			if err == nil || r != nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || len(err.Error()) > 600 {
				t.Fatalf("the error is %q; it should say %q", err, c.want)
			}
		})
	}
}

func TestParseKeepsSourceAndOrder(t *testing.T) {
	src := []byte("// kept\n" + `@id("b") @why("Second.") permit(principal,action,resource);` + "\n" +
		`@id("a") @why("First.") @confidential forbid(principal,action,resource) when { "(((" == "//" };`)
	r, err := policy.Parse("r.cedar", src)
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Source()) != string(src) || r.Digest() != sha256.Sum256(src) {
		t.Fatal("source or digest differ from what was given")
	}
	all := r.All()
	if len(all) != 2 || all[0].ID != "a" || !all[0].Confidential || !all[0].Forbids || all[0].Line != 3 || all[1].ID != "b" || all[1].Why != "Second." {
		t.Fatalf("rules are %+v", all)
	}
}

func TestParseAcceptsLargeRules(t *testing.T) {
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, "@id(\"r-%d\") @why(\"Rule %d.\")\npermit(principal,action,resource) when { %scontext.subjects > %d };\n",
			i, i, strings.Repeat("context.hasCase && ", 20), i)
	}
	if _, err := policy.Parse("r.cedar", []byte(b.String())); err != nil {
		t.Fatal(err)
	}
}

// The whole example file must survive any damage without a panic, and whatever
// is accepted must decide and explain.
func FuzzParse(f *testing.F) {
	f.Add(read(f, "rules.cedar"))
	f.Add(read(f, "duties.cedar"))
	for _, s := range []string{
		head + `permit(principal,action,resource) when { context has deviceCountry && context.deviceCountry like "X*" };`,
		head + `forbid(principal is Person,action in [Action::"readRows"],resource == Dataset::"clips") unless { if true then [1,2].contains(3) else {a: 1}.a == 1 };`,
		head + `permit(principal,action,resource) when { -9223372036854775808 - 1 == context.subjects * 2 };`,
		head + `permit(principal,action,resource) when { context.now.toDate() > datetime("2020-01-01") && ip("::1").isLoopback() };`,
		head + `permit(principal,action,resource) when { ((((((((1)))))))) < 2 } unless { context.approvals.containsAny([]) };`,
	} {
		f.Add([]byte(s))
	}
	_, facts := clips(f)
	in := ask(f, facts, "mei", "masked", "case", "engineering", abroad, approvedBy("astrid"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if d, err := policy.ParseDuties("d.cedar", src); err == nil {
			_, _ = d.Duties(in)
		}
		r, err := policy.Parse("r.cedar", src)
		if err != nil {
			return
		}
		d := r.Decide(in)
		if again := r.Decide(in); fmt.Sprint(again) != fmt.Sprint(d) {
			t.Fatalf("%+v, then %+v", d, again)
		}
		if d.Allow && len(d.Reasons) == 0 || d.Allow && len(d.Errors) > 0 {
			t.Fatalf("allowed without a reason or in spite of an error: %+v", d)
		}
		if x := r.Explain(in, d, policy.Lenses()); !d.Allow && x.Message == "" {
			t.Fatal("a denial without a word")
		}
	})
}
