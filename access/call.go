package access

import "github.com/trefoil-dev/trefoil/internal/fault"

// Call is what a person signs to read over the network.
type Call struct {
	Format string `json:"format"` // "trefoil/call/v1"
	Login  string `json:"login"`
	Method string `json:"method"`
	Origin string `json:"origin"`
	Path   string `json:"path"` // with the query
	Time   int64  `json:"time"` // µs UTC
}

// What Call.Format holds, and the SSH signature namespace it is signed in.
const (
	CallFormat    = "trefoil/call/v1"
	CallNamespace = "call@trefoil.dev"
)

// Caller gives the login of whoever signed this very call in the last minutes.
func (r *Register) Caller(signed Signed, method, path string) (string, error) {
	var doc Call
	if _, err := open(r.state.Load(), signed, CallNamespace, &doc, &doc.Login); err != nil {
		return "", err
	}
	if _, err := r.fresh(doc.Origin, doc.Time, signed.Document, nil); err != nil {
		return "", err
	}
	if doc.Format != CallFormat || doc.Method != method || doc.Path != path {
		return "", fault.New(fault.BadLogin, "the signature is for another call")
	}
	return doc.Login, nil
}
