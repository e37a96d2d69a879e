// Package record is every kind of entry the log can hold, and its canonical
// bytes. It is the bottom floor: pure, without I/O, shared by the one who
// writes (ledger), the one who decides (access) and the ones who check.
//
// An entry is a leaf and a payload. The leaf is published; it says that
// something of a kind happened, in which order, and under which rules. The
// payload is an ordered list of named parts; it says who, what and whom, and is
// sealed. The leaf's commit field is the root of a small Merkle tree over the
// parts, so one part can be shown without the others, and destroyed without
// harming any proof.
//
// The formats are fixed: testdata/vectors holds entries with their bytes and
// hashes, and any second implementation must agree with every one of them.
//
//   - Leaf: eleven lines of text, see leaf.go.
//   - Part hash and commit: see part.go.
//   - The JSON inside parts is canonical (RFC 8785 without fractions), see canon.go.
//   - Kinds and what their parts mean: see kinds.go.
package record
