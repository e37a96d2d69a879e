package pggate

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// How a message is refused.
//
// An error of our own must not overtake answers still due, must fail the
// transaction block it is in, must skip the rest of an extended-query pipeline up
// to its Sync, and must not be sent at all when an earlier message of the pipeline
// failed. Only the server knows all that in time. So the gate sends the server,
// in the refused message's place, one that provably fails: a Query, or a Parse
// under a name of its own, whose whole text is one fresh random identifier. That is
// a syntax error in every state of a session, raised before PostgreSQL looks at
// transactions or names, and its message quotes the identifier. When the
// ErrorResponse that quotes it comes back, ours is sent instead of it.
//
// So a refused statement behaves exactly as one with a syntax error: inside BEGIN it
// leaves the block failed, ROLLBACK works, nothing of its text was executed, and
// nothing after it either, up to the end of the Query or to the Sync.
//
// For the rest of an extended-query segment the server is then skipping messages,
// because of this error or of an earlier one; up drops them itself until the Sync,
// so that nothing is recorded that never ran.

// refusal is what a stand-in's error is to be replaced by.
type refusal struct {
	token []byte // the identifier the server's message will quote
	why   *fault.Error
}

// refusedName is the name stand-ins are parsed under; never the unnamed statement,
// whose old definition a Parse drops even when it fails.
const refusedName = "trefoil_refused"

func newRefusal(why *fault.Error) *refusal {
	var r [16]byte
	_, _ = rand.Read(r[:])
	return &refusal{token: hex.AppendEncode([]byte(refusedName+"_"), r[:]), why: why}
}

// standIn appends the message that is sent in the refused one's place.
func (r *refusal) standIn(b []byte, s step) []byte {
	if s == stepQuery {
		b, at := begin(b, msgQuery)
		return finish(append(append(b, r.token...), 0), at)
	}
	b, at := begin(b, msgParse)
	b = append(append(b, refusedName...), 0)
	b = append(append(b, r.token...), 0)
	return finish(append(b, 0, 0), at)
}

// matches reports whether the body of an ErrorResponse is the stand-in's.
func (r *refusal) matches(body []byte) bool {
	text, ok := field(body, 'M')
	return ok && bytes.Contains(text, r.token)
}
