package clips

// perUser bounds a user's rows in one table.
const perUser = 32

// rowID is the key of a user's k-th row in the table of a stream. It follows from
// the user, so that it is unique across stores and the same at any scale, and yet
// tells nothing about them, as on a platform that numbers rows by sequences: keys of
// rows are shown where those of people are pseudonyms, and neither dividing nor
// sorting them may lead back. Each table scatters anew, or equal keys would join them.
//
// Four rounds of a Feistel network permute the 32-bit numbers; user id × perUser +
// position stays below 2^30 for the 20 million users there can be.
func rowID(stream uint64, id int64, k int) int64 {
	x := uint32(id*perUser + int64(k))
	l, r := uint16(x>>16), uint16(x)
	for round := range uint64(4) {
		l, r = r, l^uint16(mix(seed^stream<<32^round<<16^uint64(r)))
	}
	return 1 + int64(l)<<16 + int64(r) // from 1, as a sequence
}
