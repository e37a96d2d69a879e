// Package kill ends `trefoil serve` with kill -9 while people read through it,
// again and again on the same data directory, and then compares what they
// received with what the log says. It holds tests only.
//
// After each kill: every row somebody received has its statement's record;
// no statement is recorded twice; no sequence number was given twice, not even
// one that only somebody following the log had seen; the log verifies before the
// restart and after it; the next start names exactly the statements that have no
// result; and what was left in the stores is swept. Every other time the program
// is killed once more while it starts.
//
// TREFOIL_KILLS says how often (5), TREFOIL_SEED repeats a run's choices.
package kill
