package story

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/internal/clips"
	"github.com/trefoil-dev/trefoil/test/world"
)

// TestTimeLimitOfARule: what a rule permits for a while ends then, in sessions
// that are open, however long the grant was asked for.
func TestTimeLimitOfARule(t *testing.T) {
	w := world.New(t)
	w.Publish(map[string]func(string) string{"policy": func(text string) string {
		limited := strings.Replace(text, `duration("60m")`, `duration("15s")`, 1)
		if limited == text {
			t.Fatal("the example's break-glass rule has another limit now")
		}
		return limited
	}})
	ctx := context.Background()
	sean := w.As("sean")
	grant := sean.MustAsk(world.Wish{Purpose: "break-glass", Subjects: []int64{clips.CaseUser().ID}, For: 8 * time.Hour})
	conn := sean.Connect(grant, "dublin-1")
	if _, err := conn.Exec(ctx, "SELECT email FROM users"); err != nil {
		t.Fatalf("while the rule permits it: %v", err)
	}
	for begun := time.Now(); ; {
		_, err := conn.Exec(ctx, "SELECT pg_sleep(0.2)")
		if err != nil {
			if !strings.Contains(err.Error(), "57P01") && !conn.IsClosed() {
				t.Errorf("ended with %v", err)
			}
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatal("a minute later the session still reads")
		}
	}
	if _, err := sean.Dial(grant, "dublin-1"); err == nil {
		t.Error("a new session was let in")
	}
}
