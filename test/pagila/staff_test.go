//go:build pagila

package pagila

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/test/world"
)

// The staff in the tables are persons too: a dataset of its own shows what they
// did, to the personnel office.
func TestStaffAndStrangers(t *testing.T) {
	r := start(t)
	petra := r.w.As("petra")
	v := reader{rental: r, person: petra, grant: petra.MustAsk(world.Wish{Dataset: "pagila_staff", Purpose: "personnel", Subjects: []int64{1}})}
	equal(t, "Mike", v.read(t, "SELECT staff_id, first_name, last_name, email, username, password, picture FROM staff", "SELECT * FROM store"),
		[]string{"1|M.|H.|M***@***|M.||[up to 10 bytes]", "1|1"})
	const done = "SELECT count(*), sum(amount), min(rental_id) FROM payment JOIN rental USING (rental_id, staff_id)"
	equal(t, "what he did", v.read(t, done), v.tables(t, "public", done+" WHERE staff_id = 1"))
	for sql, want := range map[string]string{
		"SELECT customer_id FROM rental": `column "customer_id" does not exist`,
		"SELECT * FROM customer":         `relation "customer" does not exist`,
		"SELECT * FROM address":          `relation "address" does not exist`,
	} {
		if out, err := v.psql(t, sql); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, %s; want %s", sql, err, out, want)
		}
	}

	for _, c := range []struct {
		who  string
		wish world.Wish
		want string
	}{
		{"petra", world.Wish{Dataset: "pagila_staff", Lens: "clear", Purpose: "personnel", Subjects: []int64{1}}, "no rule permits clear access to pagila_staff"},
		{"sean", world.Wish{Dataset: "pagila_staff", Lens: "pseudonymous", Scope: "bulk", Purpose: "engineering"}, "refused by rule staff-are-people"},
		{"mei", world.Wish{Lens: "pseudonymous", Scope: "bulk", Purpose: "engineering"}, "refused by rule inside-the-zone"},
		{"jonas", world.Wish{Scope: "bulk"}, "no rule permits masked access to pagila in scope bulk"},
	} {
		out, err := r.w.As(c.who).Ask(c.wish)
		if err != nil || out.Grant != nil || out.Refusal == nil || !strings.Contains(out.Refusal.Message, c.want) {
			t.Errorf("%s: %+v, %v; want %s", c.who, out.Refusal, err, c.want)
		}
	}
}

// pg_dump is not for staff, who have \copy; the operator's shows what a lens is
// made of and holds no row.
func TestDump(t *testing.T) {
	r := start(t)
	sean := r.w.As("sean")
	g := sean.MustAsk(world.Wish{Lens: "pseudonymous", Scope: "bulk", Purpose: "engineering"})
	dump := func(env []string, args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(r.store.Bin, "pg_dump"), args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := dump([]string{"PGPASSWORD=" + sean.Secret(g)}, sean.DSN(g, site)); err == nil || !strings.Contains(out, "permission denied for function set_config") {
		t.Errorf("pg_dump through the gate: %v\n%s", err, out)
	}
	schema := r.tables(t, "public", "SELECT schema FROM trefoil.lens WHERE dataset = 'pagila' AND lens = 'pseudonymous' AND scope = 'bulk'")[0]
	out, err := dump(r.store.Env("pagila"), "-n", schema)
	if err != nil || strings.Count(out, "CREATE VIEW "+schema+".") != 15 || strings.Contains(out, "\nCOPY ") || strings.Contains(out, "sakila") {
		t.Errorf("the operator's dump of %s: %v\n%s", schema, err, out)
	}
}
