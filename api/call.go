package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// CallHeader carries a signed access.Call in base64, for calls that only read.
const CallHeader = "Trefoil-Call"

// signedCaller identifies a person on TLS. Calls that write carry their own
// signed document, which the register checks; calls that read carry a signed
// note of what is read.
func (a *API) signedCaller(r *http.Request, reading bool) (caller, error) {
	c := caller{from: remote(r)}
	if !reading {
		return c, nil
	}
	raw, err := base64.StdEncoding.DecodeString(r.Header.Get(CallHeader))
	var s Signed
	if err != nil || len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return c, fault.New(fault.BadLogin, "this call needs your signature in the header %s", CallHeader).
			WithHint("the trefoil command makes it: --login and --key")
	}
	c.login, err = a.Register.Caller(access.Signed{Document: s.Document, Signature: s.Signature}, r.Method, r.URL.RequestURI())
	return c, err
}
