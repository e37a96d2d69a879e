package pggate

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent is the number of bytes the kernel still holds back from the network, such
// as those a client that does not read has no window for; 1 when that cannot be
// told. Bytes on their way that are not acknowledged yet do not count: nobody can
// take them back.
func unsent(c net.Conn) int {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 1
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return 1
	}
	n := 1
	if err := rc.Control(func(fd uintptr) {
		if v, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQNSD); err == nil {
			n = v
		}
	}); err != nil {
		return 1
	}
	return n
}
