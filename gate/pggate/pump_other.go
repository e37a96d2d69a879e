//go:build !unix

package pggate

import (
	"net"
	"syscall"
)

func socket(net.Conn) (syscall.RawConn, bool) { return nil, false }

func pumpSocket(syscall.RawConn, func() []byte, func(int) bool) error { return nil }
