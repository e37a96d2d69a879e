// Package gate is the one order every gate keeps: identify, decide, record, let
// through, prove. It knows people, grants and the log; gate/pggate knows the
// PostgreSQL protocol and asks this package about every login and every
// statement.
//
//	Lookup     who could this be           state's grants, a secret for each
//	Open       attempt, decision, session  access.Register.Admit; then a role of
//	           recorded and durable        its own and a connection to the store
//	Statement  recorded before forwarded   pggate holds every byte of the answer
//	                                       until that record is durable
//	                                       (an entry each for people, recorder.go; one
//	                                       for each flush for services, batcher.go)
//	Recheck    after each change of state  a session whose grant ended, or that
//	                                       would no longer be admitted, ends at once
package gate
