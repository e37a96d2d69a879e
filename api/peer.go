package api

import (
	"context"
	"net"
	"net/http"

	"golang.org/x/sys/unix"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

type peerKey struct{}

// WithPeer remembers the uid behind a unix socket for the calls on it. It fits
// http.Server.ConnContext.
func WithPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	uid := -1
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	if uid < 0 {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// peerOf identifies an operator. The socket's mode has let them in; the uid is
// what the entry says.
func peerOf(r *http.Request, _ bool) (caller, error) {
	uid, ok := r.Context().Value(peerKey{}).(int)
	if !ok {
		return caller{}, fault.New(fault.BadLogin, "the peer of the socket is unknown")
	}
	return caller{uid: &uid}, nil
}
