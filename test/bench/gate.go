package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
)

// gateProcess is the gate under measurement.
type gateProcess struct {
	endpoint
	pid   int
	close func() error
}

// startGate is a stand-in that relays bytes to the lens view without TLS and
// without recording anything.
func startGate(ctx context.Context, dir string, s *store) (*gateProcess, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			client, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go relay(client, net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
		}
	}()
	g := &gateProcess{endpoint: s.view, pid: os.Getpid(), close: l.Close}
	g.name = "gate"
	g.port = l.Addr().(*net.TCPAddr).Port
	return g, nil
}

func relay(client net.Conn, addr string) {
	defer client.Close()
	up, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer up.Close()
	go func() {
		_, _ = io.Copy(up, client)
		up.Close()
	}()
	_, _ = io.Copy(client, up)
}

func (g *gateProcess) stop() error { return g.close() }

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory is the largest resident size the gate's process has had, from
// Linux's /proc.
func (g *gateProcess) peakMemory() string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.pid))
	if err != nil {
		return "unknown on this system"
	}
	m := peakLine.FindSubmatch(status)
	if m == nil {
		return "unknown on this system"
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return "unknown on this system"
	}
	return fmt.Sprintf("%d MB", kb/1024)
}
