package bypass

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/lens"
	"github.com/trefoil-dev/trefoil/test/world"
)

// definer is about a SECURITY DEFINER function that everybody may execute, as
// CREATE FUNCTION makes them: rewards_report of the Pagila sample database.
func definer() []attack {
	return []attack{
		{name: "definer-function", run: definerFunction("public")},
		{name: "definer-in-open-schema", run: definerFunction("tools")},
	}
}

// definerFunction has an operator make the function after the store was fenced,
// in a schema that the fence has closed or in a new one that everybody may use.
func definerFunction(schema string) func(*target) []string {
	return func(t *target) []string {
		mistake(t, schema)
		if schema != "public" {
			t.noticed()
		}
		if c := t.with(); !c.over {
			c.query("SELECT * FROM " + schema + ".rewards_report()")
		}
		return nil
	}
}

func mistake(t *target, schema string) {
	t.tb.Helper()
	t.exec("CREATE SCHEMA IF NOT EXISTS "+schema, "CREATE FUNCTION "+schema+".rewards_report() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM public.users'")
	undo := "DROP FUNCTION " + schema + ".rewards_report()"
	if schema != "public" {
		t.exec("GRANT USAGE ON SCHEMA " + schema + " TO PUBLIC")
		undo = "DROP SCHEMA " + schema + " CASCADE"
	}
	t.tb.Cleanup(func() { t.store.Exec(context.Background(), undo) })
}

// repair follows the mistake to its end: the gate says what is open, the plan
// names it, and apply closes it.
func repair(t *testing.T, w *world.World) {
	ctx := context.Background()
	to := caseTarget(t, w)
	mistake(to, "tools")
	to.noticed()
	c := to.with()
	for _, want := range []string{"store dublin-1 is not fenced", "tools.rewards_report()", "trefoil lens apply"} {
		if !c.hello.contains(want) {
			t.Errorf("the refusal does not say %q:\n%s", want, bytes.ReplaceAll(c.seen.Bytes(), []byte{0}, []byte("\n")))
		}
	}
	sources, err := w.Config.Sources()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.LoadRules(sources)
	if err != nil {
		t.Fatal(err)
	}
	admin := pgtest.Connect(t, w.Stores[site].DSN("clips"))
	plan, err := lens.NewPlan(ctx, admin, rules.Catalog.Dataset("clips"), lens.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := plan.Write(&text, false); err != nil || !strings.Contains(text.String(), "definer function tools.rewards_report(): EXECUTE") {
		t.Errorf("the plan does not name the function: %v\n%s", err, text.String())
	}
	if err := lens.Apply(ctx, admin, plan); err != nil {
		t.Fatal(err)
	}
	if state := to.connect().query("SELECT * FROM tools.rewards_report()").state(); state != "42501" {
		t.Errorf("after apply the function answers %q", state)
	}
	if leaked := to.leaked(nil); len(leaked) > 0 {
		t.Errorf("leaked: %s", strings.Join(leaked, "; "))
	}
}
