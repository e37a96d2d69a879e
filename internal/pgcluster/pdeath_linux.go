package pgcluster

import "syscall"

// dieWithParent asks the kernel to end the server at once when this process ends,
// however it ends (prctl(2), PR_SET_PDEATHSIG). SIGQUIT, not SIGINT: nobody is left
// who would hurry up a shutdown that waits, and the next start recovers.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
