//go:build !linux

package pgcluster

import "syscall"

// dieWithParent does nothing here: only Linux ties a child to its parent. After
// a kill -9 the server stays until it is stopped by hand.
func dieWithParent(*syscall.SysProcAttr) {}
