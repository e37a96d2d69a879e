package leak

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/lens"
)

// TestLeaksAreFound breaks a lens in both stores and asks whether TestLeak would
// notice. The stamp that says how a lens was applied is renewed, or the gate
// would refuse to serve it.
func TestLeaksAreFound(t *testing.T) {
	s := newStage(t, people)
	for _, m := range []struct {
		name, lens, view, old, new string
		other                      int
	}{
		{"a mask passes the value", "masked-bulk", "users", `date_trunc('year', t."born"::timestamp)::date`, `t."born"`, values},
		{"a mask passes its length", "masked-bulk", "messages", `(char_length(t."body") + 9) / 10 * 10`, `char_length(t."body")`, values},
		{"a mask tells whether there is a value", "masked-bulk", "users", `NULL::text AS "faith"`, `(t.faith < 'm')::text AS faith`, values},
		{"a mask fails on the value", "masked-bulk", "users", `NULL::numeric AS "height"`, `CASE WHEN t.height > 190 THEN 1 / (t.height - t.height) END AS height`, values},
		{"an address keeps its host", "masked-bulk", "signins", `WHEN 4 THEN 24`, `WHEN 4 THEN 32`, values},
		{"a view without barrier", "masked-case", "users", ` WHERE t."id" IN (`, ` WHERE t."id" + 0 IN (`, people}, // which reads every row
		{"rows of others", "masked-case", "devices", `WHERE t."user_id"`, `WHERE t.id % 3 = 0 OR t."user_id"`, people},
		{"a hidden name in part", "pseudonymous-bulk", "users", `NULL::text AS "full_name"`, `left(t.full_name, 3) AS full_name`, values},
	} {
		t.Run(m.name, func(t *testing.T) {
			heal := s.mutate(t, m.lens, m.view, m.old, m.new, m.other)
			defer heal()
			var found *leak
			var seed uint64
			sum := look(t, []*pair{s.pair(t, m.lens, m.other)}, s.language(m.lens, false), time.Minute, 1, func(_ *pair, n uint64, l *leak) { found, seed = l, n })
			if found == nil {
				t.Fatalf("not found in a minute: %s", &sum)
			}
			t.Logf("found by seed %d after %d statements:\n%s", seed, sum.statements, found.what)
		})
	}
}

// TestContextIsWithheld has a mask fail in a function whose CONTEXT quotes the
// hidden value: beside the gate the two stores differ, through it they do not.
func TestContextIsWithheld(t *testing.T) {
	s := newStage(t, values)
	c := lens.Find(s.lenses, lens.Masked, lens.Bulk)
	for _, store := range []int{base, values} {
		conn := s.admin(t, store)
		var role string
		if err := conn.QueryRow(t.Context(), "SELECT role FROM trefoil.lens WHERE schema = $1", c.Schema).Scan(&role); err != nil {
			t.Fatal(err)
		}
		// In the statement that fails the value stands in a comment, and in no message.
		_, err := conn.Exec(t.Context(), `CREATE FUNCTION public.careless(x text) RETURNS text LANGUAGE plpgsql STABLE AS $$
			DECLARE y text; BEGIN EXECUTE format('SELECT 1 / 0 /* %s */', x) INTO y; RETURN y; END $$;
			REVOKE ALL ON FUNCTION public.careless FROM PUBLIC; GRANT EXECUTE ON FUNCTION public.careless TO `+pgx.Identifier{role}.Sanitize())
		if err != nil {
			t.Fatal(err)
		}
	}
	heal := s.mutate(t, "masked-bulk", "users", `NULL::text AS "faith"`, `public.careless(t.faith) AS faith`, values)
	defer heal()
	beside := &pair{stores: [2]int{base, values}, dial: func(store int) (*session, error) {
		cfg, err := pgconn.ParseConfig(s.Stores[sites[store]].DSN("leak"))
		if err != nil {
			return nil, err
		}
		cfg.RuntimeParams["search_path"] = c.Schema
		return dial(cfg)
	}}
	defer beside.close()
	ask := script{steps: []step{{sql: "SELECT faith FROM users"}}}
	var sum tally
	if found, err := beside.run(ask, &sum); err != nil || found == nil || !strings.Contains(found.what, "/*") {
		t.Errorf("beside the gate nothing is withheld, and the two stores must differ: %v, %v", found, err)
	}
	if found, err := s.pair(t, "masked-bulk", values).run(ask, &sum); err != nil || found != nil {
		t.Errorf("through the gate the two stores differ: %v, %v", found, err)
	}
	if sum.states["22012"] != 2 {
		t.Errorf("the mask did not fail: %v", sum.states)
	}
}

// mutate changes a view of base and another store while no instance runs; heal
// undoes it.
func (s *stage) mutate(t *testing.T, name, view, old, new string, other int) (heal func()) {
	t.Helper()
	level, scope, _ := strings.Cut(name, "-")
	c := lens.Find(s.lenses, level, scope)
	var sql string
	for _, v := range c.Views {
		if v.Table == view {
			sql = v.SQL
		}
	}
	changed := strings.Replace(sql, old, new, 1)
	if changed == sql {
		t.Fatalf("%q is not in\n%s", old, sql)
	}
	barrier := "true"
	if strings.Contains(new, "+ 0") { // neither of the two barriers
		barrier, changed = "false", strings.TrimSuffix(strings.TrimSpace(changed), "OFFSET 0")
	}
	set := func(sql, barrier string) {
		s.Stop()
		for _, store := range []int{base, other} {
			conn := s.admin(t, store)
			with := ""
			if scope == lens.Case {
				with = " WITH (security_barrier = " + barrier + ")"
			}
			if _, err := conn.Exec(context.Background(), "CREATE OR REPLACE VIEW "+pgx.Identifier{c.Schema, view}.Sanitize()+with+" AS "+sql); err != nil {
				t.Fatal(err)
			}
			restamp(t, conn, level, scope)
		}
		s.Start()
	}
	set(changed, barrier)
	return func() { set(sql, "true") }
}

// restamp writes down what stands as what was applied.
func restamp(t *testing.T, conn *pgx.Conn, level, scope string) {
	t.Helper()
	ctx := context.Background()
	p, err := lens.Fingerprint(ctx, conn, "leak", level, scope)
	if p.Items == nil {
		t.Fatal(errors.Join(errors.New("no fingerprint"), err))
	}
	if _, err := conn.Exec(ctx, "UPDATE trefoil.lens SET print = $1 WHERE role = $2", p.Items, p.Role); err != nil {
		t.Fatal(err)
	}
}
