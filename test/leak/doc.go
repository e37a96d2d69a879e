// Package leak asks whether anything that a lens hides can be told from outside:
// two stores are alike but for what the lens hides, and whatever SQL is sent
// through the gate, both must answer with the same bytes: rows and their order,
// errors with every field, notices, tags and formats.
//
//	base      the store that the others are compared with
//	values    the same rows, other values under every mask: for lenses in bulk
//	people    other people beside those of the case, in number, keys and contents,
//	          and other values under the masks of theirs: for lenses in case
//	grown     five times the other people, and ANALYZE has run: for lenses in case,
//	          where plans, and with them the order of unordered rows, may differ
//
// A grammar (grammar_test.go, query_test.go, script_test.go) writes the SQL from a
// seed. A failure prints the seed and the shortest script that shows it:
//
//	go test ./test/leak -run TestLeak/masked-case -seed 1234
//
// TREFOIL_LEAK is for how many seconds it looks (60), TREFOIL_SEED where it begins.
// What it found once stands in testdata/corpus and is tried first.
//
// Time is not compared, and nothing that does not come from the data: transaction
// numbers, OIDs, the names of session roles, clocks and random numbers are not in
// the grammar.
package leak
