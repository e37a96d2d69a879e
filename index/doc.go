// Package index is the read model: what the log says, as tables one can ask.
// "What did Jonas read since yesterday?", "Who asked for person 1001?" would
// otherwise mean reading the whole log.
//
//	x := index.New(index.Options{Path: "data/index.db", Log: ledger, Key: key})
//	go x.Run(ctx)
//	a, err := x.Search(ctx, index.Query{Person: "jonas", Limit: 100})
//
// Run follows the log in batches: the rows of a batch and the place it ends at
// become one SQLite transaction, so a crash loses the batch and nothing else.
// Rows are a pure function of the entries before that place; Rebuild throws the
// file away and comes to the same content.
//
// The index may be lost or altered at will: pages go wrong, access does not.
// Nothing decides by it, and what a search shows of an entry is read from the
// log. It holds no SQL text, no reasons and no keys of people: a person is a
// keyed hash, under a key derived from the one that opens the evidence.
// Whoever steals it learns which staff did what, and when.
//
// While the gate appends, the index takes at most a sixteenth of one processor;
// it falls behind and catches up when it is quiet. An answer says how far it
// has read.
package index
