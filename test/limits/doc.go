// Package limits measures the program itself against what is promised of it: the
// memory of 32 sessions, and the time a session takes to open and close. The
// memory is asserted; times are printed by the benchmark, since they say as much
// about the machine. It holds tests only.
//
//	go test ./test/limits -run '^$' -bench .
package limits
