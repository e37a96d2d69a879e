package testbin

import "syscall"

// dieWithParent has the kernel end the child with this process, so that a test
// that times out leaves none behind (prctl(2), PR_SET_PDEATHSIG).
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
