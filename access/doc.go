// Package access says what is in force: rules, people's keys, requests,
// approvals and grants, as a pure fold over the log's entries.
//
//	Fold(State, Entry) (State, error)
//
// Nothing else holds state that must be trusted. State as of n is the fold of
// every entry before n; a decision names its n, so whoever has the log computes
// the same state and, with it, the same decision (Question, then policy).
//
// Register is the one writer: it checks what people sign, appends the entry,
// folds it, decides, and appends the outcome, all under one lock, so that no
// entry that matters comes between a state and the decision made from it.
package access
