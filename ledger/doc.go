// Package ledger keeps one zone's log: it gives every entry its place, makes it
// durable, and turns what is durable into a transparency log that any C2SP
// client can read.
//
// The write-ahead log is the tail of the tree. An entry's position in it is its
// index in the tree, so nothing is sequenced twice. From there a builder does
// four things, in this order, each durable before the next:
//
//	wal/      entry as appended: leaf and parts in clear      one fsync for many
//	evidence/ the parts, each sealed under its own key        one file per 256 entries
//	keys.db   those keys, wrapped by the evidence master key   one row per 256 entries
//	log/      C2SP tlog-tiles, then the signed checkpoint
//
// A segment of the write-ahead log is deleted once everything in it is covered
// by a published checkpoint. Until then it is as secret as the store itself.
//
// There are two classes of failure. A full disk is a matter of this moment:
// nothing more is accepted, the sentence says why, and writing goes on when
// there is room. An error of fsync, or a log that contradicts itself, is final:
// Failed fires and the process must end.
package ledger
