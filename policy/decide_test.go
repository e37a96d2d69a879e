package policy_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/policy"
)

func rules(t testing.TB, src string) *policy.Rules {
	t.Helper()
	r, err := policy.Parse("r.cedar", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const allowAll = `@id("all") @why("All.") permit(principal,action,resource);` + "\n"

func TestAnErrorDenies(t *testing.T) {
	_, facts := clips(t)
	in := ask(t, facts, "jonas", "masked", "case", "support", dublin, people(2))
	// Two times the largest integer overflows. Cedar would skip the rule and allow.
	r := rules(t, allowAll+`@id("never") @why("Never.") forbid(principal,action,resource) when { context.subjects * 9223372036854775807 > 0 };`)
	d := r.Decide(in)
	if d.Allow || !slices.Equal(d.Errors, []string{"never"}) {
		t.Fatalf("an erroring forbid gave %+v", d)
	}
	f := r.Explain(in, d, []string{"masked"})
	if !strings.Contains(f.Message, "never could not be evaluated") || f.Unlock != nil || f.Best != nil {
		t.Fatalf("explained as %+v", f)
	}
	// One person: no overflow, the forbid holds.
	if d := r.Decide(ask(t, facts, "jonas", "masked", "case", "support", dublin)); d.Allow || !slices.Equal(d.Reasons, []string{"never"}) {
		t.Fatalf("the forbid gave %+v", d)
	}
}

func TestAnInputOutsideTheSchemaDenies(t *testing.T) {
	_, facts := clips(t)
	good := ask(t, facts, "jonas", "masked", "case", "support", dublin, approvedBy("aoife", "astrid"))
	r := rules(t, allowAll)
	if d := r.Decide(good); !d.Allow {
		t.Fatalf("the good input gives %+v", d)
	}
	for name, change := range map[string]func(*policy.Input){
		"lens":                 func(in *policy.Input) { in.Lens = "all" },
		"no lens":              func(in *policy.Input) { in.Lens = "" },
		"scope":                func(in *policy.Input) { in.Scope = "" },
		"release mode":         func(in *policy.Input) { in.ReleaseMode = "later" },
		"purpose with SQL":     func(in *policy.Input) { in.Purpose = "x'; drop" },
		"no time":              func(in *policy.Input) { in.Now, in.OpenedAt = 0, 0 },
		"opened later":         func(in *policy.Input) { in.OpenedAt = in.Now + 1 },
		"case of nobody":       func(in *policy.Input) { in.Subjects = 0 },
		"case of 1001":         func(in *policy.Input) { in.Subjects = 1001 },
		"bulk with people":     func(in *policy.Input) { in.Scope = "bulk" },
		"country":              func(in *policy.Input) { in.Countries.Address = "ie" },
		"no employer":          func(in *policy.Input) { in.Countries.Employer = "" },
		"employer elsewhere":   func(in *policy.Input) { in.Countries.Employer = "NO" },
		"lost regime":          func(in *policy.Input) { in.Principal.Regimes = []string{"compelled-disclosure"} },
		"unsorted roles":       func(in *policy.Input) { in.Principal.Roles = []string{"b", "a"} },
		"doubled category":     func(in *policy.Input) { in.Resource.Categories = []string{"a", "a"} },
		"site without country": func(in *policy.Input) { in.Resource.Site = "hamar" },
		"counts raised":        func(in *policy.Input) { in.ApprovalsOutsideInZone++ },
		"approval twice": func(in *policy.Input) {
			in.Approvals = append(slices.Clone(in.Approvals), in.Approvals[len(in.Approvals)-1])
		},
	} {
		bad := good
		change(&bad)
		d := r.Decide(bad)
		if d.Allow || !slices.Equal(d.Errors, []string{policy.InputError}) {
			t.Errorf("%s: %+v", name, d)
		}
		if f := r.Explain(bad, d, policy.Lenses()); f.Message == "" || len(f.Detail) == 0 {
			t.Errorf("%s: no words for it", name)
		}
		if _, err := policy.ParseInput(bad.Canonical()); err == nil {
			t.Errorf("%s: ParseInput accepts it", name)
		}
	}
}

func TestACountedPersonCountsOnce(t *testing.T) {
	_, facts := clips(t)
	in := ask(t, facts, "sean", "masked", "bulk", "engineering", dublin, approvedBy("astrid", "astrid", "niamh", "sean", "aoife", "gone"))
	if in.ApprovalsAll != 3 || in.ApprovalsOutside != 2 || in.ApprovalsOutsideInZone != 2 {
		t.Fatalf("counted %d, %d, %d of %+v", in.ApprovalsAll, in.ApprovalsOutside, in.ApprovalsOutsideInZone, in.Approvals)
	}
}

func TestInputRoundTrip(t *testing.T) {
	_, facts := clips(t)
	in := ask(t, facts, "mei", "masked", "case", "engineering", abroad, approvedBy("astrid"))
	want := `{"approvals":[{"by":"astrid","department":"data-protection","employer":"clips-no","employerCountry":"NO","employmentCountry":"NO","outsideHierarchy":true,"regimes":[],"seq":40}],` +
		`"approvalsAll":1,"approvalsOutside":1,"approvalsOutsideInZone":1,` +
		`"countries":{"address":"XB","device":"","employer":"XB","employment":"XB"},"hasCase":true,"lens":"masked","now":1777896000000000,"openedAt":1777896000000000,` +
		`"principal":{"department":"engineering","employer":"clips-xb","employerCountry":"XB","employmentCountry":"XB","login":"mei","regimes":["compelled-disclosure"],"roles":[]},` +
		`"purpose":"engineering","regimes":["compelled-disclosure"],"releaseMode":"recorded",` +
		`"resource":{"adequate":["XC"],"categories":["contact","identity","location","network"],"dataset":"clips","residents":["DE","FR","IE","NO"],"site":"","siteCountry":"","zone":"eu"},` +
		`"scope":"case","subjects":1}`
	got := in.Canonical()
	if string(got) != want {
		t.Fatalf("canonical bytes are\n%s\nwant\n%s", got, want)
	}
	again, err := policy.ParseInput(got)
	if err != nil || !bytes.Equal(again.Canonical(), got) {
		t.Fatalf("it does not come back: %v", err)
	}
	for name, bad := range map[string]string{
		"white space":   " " + want,
		"trailing":      want + "{}",
		"newline":       want + "\n",
		"unknown field": strings.Replace(want, `{"approvals"`, `{"a":1,"approvals"`, 1),
		"doubled field": strings.Replace(want, `"scope":"case"`, `"scope":"case","scope":"case"`, 1),
		"missing field": strings.Replace(want, `"purpose":"engineering",`, ``, 1),
		"null list":     strings.Replace(want, `"roles":[]`, `"roles":null`, 1),
		"other case":    strings.Replace(want, `"lens"`, `"Lens"`, 1),
		"float":         strings.Replace(want, `"subjects":1`, `"subjects":1.0`, 1),
		"escaped":       strings.Replace(want, `"mei"`, `"\u006dei"`, 1),
		"nothing":       "",
		"too long":      strings.Repeat(" ", 300<<10),
	} {
		if _, err := policy.ParseInput([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A limit in minutes is not stretched by Cedar's milliseconds.
func TestTimeLimitIsNotRoundedUp(t *testing.T) {
	_, facts := clips(t)
	r := rules(t, `@id("hour") @why("An hour.") permit(principal,action,resource) when { context.now.durationSince(context.openedAt) <= duration("1h") };`)
	in := ask(t, facts, "jonas", "masked", "case", "support", dublin)
	in.OpenedAt += 999
	for after, want := range map[int64]bool{3600e6: true, 3600e6 + 1: false} {
		in.Now = in.OpenedAt/1000*1000 + after
		if r.Decide(in).Allow != want {
			t.Errorf("%d µs after: not %v", after, want)
		}
	}
}

func TestDutiesRefuse(t *testing.T) {
	for name, src := range map[string]string{
		"a forbid": `@id("a") @why("A.") @duty("x") forbid(principal,action,resource);`,
		"no duty":  `@id("a") @why("A.") permit(principal,action,resource);`,
		"words":    `@id("a") @why("A.") @duty("look at it") permit(principal,action,resource);`,
	} {
		if _, err := policy.ParseDuties("d.cedar", []byte(src)); err == nil || !strings.HasPrefix(err.Error(), "d.cedar:1: rule a") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, facts := clips(t)
	in := ask(t, facts, "jonas", "masked", "case", "support", dublin, people(2))
	duties, err := policy.ParseDuties("d.cedar", []byte(`@id("a") @why("A.") @duty("x") permit(principal,action,resource) when { context.subjects * 9223372036854775807 > 0 };`))
	if err != nil {
		t.Fatal(err)
	}
	if d := (policy.Book{Rules: rules(t, allowAll), Duties: duties}).Decide(in); d.Allow || !slices.Equal(d.Errors, []string{policy.DutiesError}) {
		t.Fatalf("an erroring duty gave %+v", d)
	}
}

// The record names the engine; it must be the one that is linked.
func TestEngineIsTheLinkedOne(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/cedar-policy/"+policy.Engine+"\n") {
		t.Fatalf("go.mod does not require %s", policy.Engine)
	}
}

func BenchmarkDecide(b *testing.B) {
	book, facts := clips(b)
	in := ask(b, facts, "viktor", "masked", "case", "audit", dublin, approvedBy("diana", "astrid"))
	b.ReportAllocs()
	for b.Loop() {
		if !book.Rules.Decide(in).Allow {
			b.Fatal("denied")
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	book, facts := clips(b)
	in := ask(b, facts, "viktor", "masked", "case", "audit", dublin, approvedBy("diana"))
	d := book.Decide(in)
	b.ReportAllocs()
	for b.Loop() {
		if book.Rules.Explain(in, d, []string{"masked"}).Unlock == nil {
			b.Fatal("nothing proposed")
		}
	}
}

// A replay reads each input from its bytes.
func BenchmarkReplay(b *testing.B) {
	book, facts := clips(b)
	src := ask(b, facts, "viktor", "masked", "case", "audit", dublin, approvedBy("diana", "astrid")).Canonical()
	b.ReportAllocs()
	for b.Loop() {
		in, err := policy.ParseInput(src)
		if err != nil || !book.Decide(in).Allow {
			b.Fatal(err)
		}
	}
}

// An auditor parses inputs from a log that it does not trust: what is accepted
// comes back byte for byte, decides, and can be explained.
func FuzzParseInput(f *testing.F) {
	book, facts := clips(f)
	f.Add(ask(f, facts, "mei", "clear", "case", "engineering", abroad, approvedBy("astrid", "niamh")).Canonical())
	f.Add(ask(f, facts, "sean", "masked", "bulk", "engineering", dublin).Canonical())
	f.Add([]byte(`{"approvals":[{"by":"a"}],"now":1e3}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		in, err := policy.ParseInput(src)
		if err != nil {
			return
		}
		if !bytes.Equal(in.Canonical(), src) {
			t.Fatalf("%s came back as %s", src, in.Canonical())
		}
		d := book.Decide(in)
		if slices.Contains(d.Errors, policy.InputError) {
			t.Fatal("an input that was accepted is outside the schema")
		}
		if r := book.Rules.Explain(in, d, policy.Lenses()); !d.Allow && r.Message == "" {
			t.Fatal("a denial without a word")
		}
	})
}
