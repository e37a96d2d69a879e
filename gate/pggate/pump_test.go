package pggate

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
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

// opaque hides the socket, as TLS to the store does.
type opaque struct{ net.Conn }

func TestPumpWithoutASocketLosesNothing(t *testing.T) {
	client, server := net.Pipe()
	rng := rand.New(rand.NewPCG(1, 2))
	var sent []byte
	go func() {
		defer func() { _ = client.Close() }()
		for _, n := range []int{1, 511, 512, 513, 1024, 40000, 3, 100000, 512, 7} {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			sent = append(sent, b...)
			if _, err := client.Write(b); err != nil {
				return
			}
		}
	}()
	var got []byte
	buf := make([]byte, 300) // smaller than what it waits with, too
	given, idle := false, 0
	err := pump(opaque{server}, func() []byte { given = true; return buf }, func(n int) bool {
		if n == 0 {
			given, idle = false, idle+1
			return true
		}
		got = append(got, buf[:n]...)
		return true
	})
	if err != io.EOF || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
	}
	if idle == 0 || given {
		t.Errorf("buffers were given back %d times, and one is still lent: %v", idle, given)
	}
}

// Also the first read, before anything has come, and the one after a nudge.
func TestPumpGivesBackWhatItWaitedWith(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for range 2 {
		lent := 0
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		err := pump(c, func() []byte { lent++; return make([]byte, 100) }, func(n int) bool { lent--; return true })
		if !errors.Is(err, os.ErrDeadlineExceeded) || lent != 0 {
			t.Errorf("%d buffers lent, %v", lent, err)
		}
	}
}
