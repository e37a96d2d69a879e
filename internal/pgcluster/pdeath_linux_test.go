package pgcluster

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestServerEndsWithItsParent runs itself as a parent that is killed.
func TestServerEndsWithItsParent(t *testing.T) {
	if dir := os.Getenv("PGCLUSTER_TEST_PARENT"); dir != "" {
		c, err := Start(context.Background(), Options{Dir: dir, Settings: map[string]string{"fsync": "off"}})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(c.DSN("postgres"))
		<-c.proc.done // until the parent's parent kills us
		return
	}
	dir := filepath.Join(openDir(t), "pg")
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithItsParent$")
	cmd.Env = append(os.Environ(), "PGCLUSTER_TEST_PARENT="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dsn, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, strings.TrimSpace(dsn))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	// The session behind this connection ends with the server.
	if _, err := conn.WaitForNotification(ctx); ctx.Err() != nil {
		t.Errorf("the server lives on after its parent was killed: %v", err)
	}
}
