package story

import (
	"context"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/test/world"
)

// The lenses beside masked, asked for, granted and read through the gate.
func TestEveryLens(t *testing.T) {
	w := world.New(t)
	ctx := context.Background()
	person := clips.CaseUser()

	t.Run("clear, when the data protection office agrees", func(t *testing.T) {
		jonas := w.As("jonas")
		asked, err := jonas.Ask(world.Wish{Lens: "clear", Subjects: []int64{person.ID}})
		if err != nil || asked.Grant != nil || asked.Refusal.Rule != "whereabouts-in-clear" {
			t.Fatalf("without approval: %+v, %v", asked, err)
		}
		if out, err := w.As("aoife").Verdict("approve", asked.Request.Seq); err != nil || out.Grant != nil {
			t.Fatalf("with his own manager's approval: %+v, %v", out, err)
		}
		out, err := w.As("astrid").Verdict("approve", asked.Request.Seq)
		if err != nil || out.Grant == nil {
			t.Fatalf("with the data protection office's approval: %+v, %v", out, err)
		}
		var n int
		var email string
		if err := jonas.Connect(*out.Grant, "dublin-1").QueryRow(ctx, "SELECT count(*), max(email) FROM users").Scan(&n, &email); err != nil {
			t.Fatal(err)
		}
		if n != 1 || email != person.Email {
			t.Errorf("%d rows, %q; want the one person's address", n, email)
		}
	})

	t.Run("pseudonymous whole tables, that join", func(t *testing.T) {
		sean := w.As("sean")
		read := func() string {
			g := sean.MustAsk(world.Wish{Lens: "pseudonymous", Scope: "bulk", Purpose: "engineering"})
			conn := sean.Connect(g, "dublin-1")
			var named, users, messages, joined int
			if err := conn.QueryRow(ctx, `SELECT count(full_name) + count(email) + count(handle), count(*), (SELECT count(sender_id) FROM messages),
				(SELECT count(*) FROM messages m JOIN users u ON u.id = m.sender_id) FROM users`).Scan(&named, &users, &messages, &joined); err != nil {
				t.Fatal(err)
			}
			if named != 0 || users < 100 || messages == 0 || joined != messages {
				t.Errorf("%d names in %d users; %d of %d messages find their sender", named, users, joined, messages)
			}
			var id string
			if err := conn.QueryRow(ctx, "SELECT d.user_id FROM devices d ORDER BY d.id LIMIT 1").Scan(&id); err != nil {
				t.Fatal(err)
			}
			return id
		}
		first, second := read(), read()
		if len(first) != 26 || first == second {
			t.Errorf("two grants show the same person as %q and %q", first, second)
		}
	})

	t.Run("a third country gets neither", func(t *testing.T) {
		mei := w.As("mei")
		for _, wish := range []world.Wish{
			{Lens: "clear", Purpose: "engineering", Subjects: []int64{person.ID}},
			{Lens: "pseudonymous", Scope: "bulk", Purpose: "engineering"},
		} {
			out, err := mei.Ask(wish)
			if err != nil || out.Grant != nil || out.Refusal.Rule != "third-country-law" || !strings.Contains(strings.Join(out.Refusal.Detail, "\n"), "permitted now: masked in scope case") {
				t.Errorf("%s: %+v, %v", wish.Lens, out.Refusal, err)
			}
		}
	})
}
