//go:build pagila

package pagila

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	example "github.com/trefoil-dev/trefoil/examples/pagila"
	"github.com/trefoil-dev/trefoil/internal/pgcluster"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
	"github.com/trefoil-dev/trefoil/test/world"
)

const site = "dublin-1"

// theirs is what belongs to the customers 1 and 300, told in other words than
// those of package lens.
const theirs = `
CREATE SCHEMA theirs;
CREATE VIEW theirs.customer AS SELECT * FROM public.customer WHERE customer_id IN (1, 300);
CREATE VIEW theirs.rental AS SELECT r.* FROM public.rental r, theirs.customer c WHERE r.customer_id = c.customer_id;
CREATE VIEW theirs.payment AS SELECT p.* FROM public.payment p, theirs.customer c WHERE p.customer_id = c.customer_id;
CREATE VIEW theirs.address AS SELECT * FROM public.address WHERE address_id IN (5, 305);
CREATE VIEW theirs.city AS SELECT * FROM public.city WHERE city IN ('Sasebo', 'Parbhani');
CREATE VIEW theirs.country AS SELECT * FROM public.country WHERE country IN ('Japan', 'India');
`

// rental is the business, with its store behind a running instance.
type rental struct {
	w     *world.World
	store *pgcluster.Cluster
}

func start(t *testing.T) *rental {
	w := world.Of(t, world.Example{
		Rules: example.Files, Sites: []string{site}, Database: "pagila", Datasets: []string{"pagila", "pagila_staff"},
		People:  []string{"aoife", "jonas", "sean", "mei", "clara", "petra", "astrid", "oona"},
		Offices: map[string]string{"mei": "127.9.0.1"},
		Load: func(ctx context.Context, c *pgcluster.Cluster, _ int) error {
			if err := load(c); err != nil {
				return err
			}
			_, err := pgtest.Connect(t, c.DSN("pagila")).Exec(ctx, theirs)
			return err
		},
	})
	return &rental{w, w.Stores[site]}
}

// granted asks, has it approved, and gives the grant; without all the approvers
// there must be none.
func (r *rental) granted(t *testing.T, p *world.Person, wish world.Wish, approvers []string) access.Grant {
	t.Helper()
	out, err := p.Ask(wish)
	for i, login := range approvers {
		if err != nil || out.Grant != nil {
			t.Fatalf("%s with %d approvals of %d: %+v, %v", p.Login, i, len(approvers), out, err)
		}
		out, err = r.w.As(login).Verdict("approve", out.Request.Seq)
	}
	if err != nil || out.Grant == nil {
		t.Fatalf("%s got no grant: %+v, %v", p.Login, out.Refusal, err)
	}
	return *out.Grant
}

// tables asks the tables themselves, as superuser, those of one schema before
// those of public.
func (r *rental) tables(t *testing.T, schema, sql string) []string {
	t.Helper()
	psql := exec.Command(filepath.Join(r.store.Bin, "psql"), append([]string{"-X"}, flags([]string{sql})...)...)
	psql.Env = append(append(os.Environ(), r.store.Env("pagila")...), "PGOPTIONS=-c search_path="+schema+",public")
	out, err := psql.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", sql, err, out)
	}
	return lines(string(out))
}

// flags make psql print rows alone.
func flags(commands []string) []string {
	args := []string{"-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	return args
}

func lines(out string) []string {
	var list []string
	for _, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if line != "" && !strings.HasPrefix(line, "Did not find any") {
			list = append(list, line)
		}
	}
	return list
}
