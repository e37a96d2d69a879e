package story

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/test/world"
)

func TestAServiceOfAPerson(t *testing.T) {
	w := world.New(t)
	w.Publish(map[string]func(string) string{"directory": func(text string) string {
		return text + "\nservices:\n  replies: {name: Suggested replies, owner: jonas}\n"
	}})
	jonas := w.As("jonas")
	grant := jonas.MustAsk(world.Wish{Subjects: []int64{clips.CaseUser().ID}, Service: "replies"})
	ctx := context.Background()

	cfg := jonas.Config(grant, "dublin-1")
	cfg.User = "replies"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM users").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}

	if _, err := jonas.Dial(grant, "dublin-1"); err == nil {
		t.Error("its owner got in with the service's grant")
	}
}
