package pggate

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// Data and the end that came with it may be one event; the end is found at the
// latest when the connection is nudged.
func TestAnEndThatCameWithDataIsFound(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := peer.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	_ = peer.Close()
	var got []byte
	buf := make([]byte, 100)
	read := func() error {
		return pump(c, func() []byte { return buf }, func(n int) bool { got = append(got, buf[:n]...); return true })
	}
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // the nudge
	err = read()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.SetReadDeadline(time.Time{})
		err = read()
	}
	if err != io.EOF || string(got) != "last words" {
		t.Errorf("%q %v", got, err)
	}
}

func TestANudgedSessionGoesOn(t *testing.T) {
	w := newWorld(t)
	r := w.raw()
	r.send(query("select 1"))
	r.until(1)
	w.gate.mu.Lock()
	for _, s := range w.gate.sessions {
		s.nudge()
	}
	w.gate.mu.Unlock()
	r.send(query("select 2"))
	equal(t, "answer", r.until(1), "T D2 C ZI")
}
