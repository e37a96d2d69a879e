package main

import (
	"context"
	"io"
	"net"
	"os/exec"
	"strconv"
	"testing"
)

// Another demo may take a port between the moment it was seen free and that in
// which the gate listens.
func TestDemoTakesOtherPortsWhenSomebodyWasFaster(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	w := newWorld(&env{stdout: io.Discard, stderr: io.Discard}, t.TempDir(), false, 1, port)
	w.eu.sites = nil
	asked := 0
	w.free = func(p int) int {
		if asked++; asked == 1 || asked == 3 { // for the gate, twice; between, for its API
			return port
		}
		return freePort(p)
	}
	if w.self, err = exec.LookPath("trefoil"); err != nil {
		t.Fatal(err)
	}
	defer w.eu.stop()
	if err := w.eu.init(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := w.eu.startServe(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w.eu.port == port || asked != 6 {
		t.Errorf("the gate is on port %d, which was taken", w.eu.port)
	}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.eu.port)))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
