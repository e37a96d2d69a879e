//go:build unix

package pggate

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socket gives c as something whose descriptor can be read directly.
func socket(c net.Conn) (syscall.RawConn, bool) {
	switch c := c.(type) {
	case *net.TCPConn:
		rc, err := c.SyscallConn()
		return rc, err == nil
	case *net.UnixConn:
		rc, err := c.SyscallConn()
		return rc, err == nil
	}
	return nil, false
}

// pumpSocket reads inside one RawConn.Read: the runtime's poller remembers that the
// socket became readable between two returns of the callback, so after a short read
// it can be waited for at once, where net.Conn.Read would ask the kernel first and
// be told EAGAIN. That is a third of all system calls of a short query.
//
// The price: data and the peer's FIN that arrive together are one event, and the
// short read consumes it. The end is then seen at the next read, so each session
// is nudged now and then.
func pumpSocket(rc syscall.RawConn, room func() []byte, taken func(n int) bool) error {
	var end error
	err := rc.Read(func(fd uintptr) bool {
		for {
			b := room()
			n, err := syscall.Read(int(fd), b)
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				taken(0)
				return false
			case err != nil:
				end = os.NewSyscallError("read", err)
				return true
			case n == 0:
				end = io.EOF
				return true
			}
			if !taken(n) {
				return true
			}
			if n < len(b) {
				return false
			}
		}
	})
	if err != nil {
		return err
	}
	return end
}
