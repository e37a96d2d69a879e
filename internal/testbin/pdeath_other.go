//go:build !linux

package testbin

import "syscall"

// dieWithParent does nothing here: only Linux ties a child to its parent.
func dieWithParent(*syscall.SysProcAttr) {}
