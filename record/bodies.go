package record

import "encoding/json"

// Actor is who did it, as far as the gate knows.
type Actor struct {
	Login   string `json:"login,omitempty"`   // staff handle of the directory
	UID     *int   `json:"uid,omitempty"`     // peer of the unix socket
	Address string `json:"address,omitempty"` // source address without port
	Country string `json:"country,omitempty"` // what the address says, ISO 3166-1 alpha-2
	// Certificate is the SHA-256 (hex) of the client certificate shown at login.
	Certificate string `json:"certificate,omitempty"`
}

// Genesis is what everybody compares: entry 0's hash covers it.
type Genesis struct {
	Format         string   `json:"format"`         // "trefoil/genesis/v1"
	Origin         string   `json:"origin"`         // the log's C2SP origin
	Zone           string   `json:"zone"`           //
	LogKey         string   `json:"logKey"`         // C2SP verifier key of the log's signer
	Overseers      []string `json:"overseers"`      // C2SP verifier keys
	NoticeSeconds  int64    `json:"noticeSeconds"`  // wait before rules without countersignature bind
	RetentionDays  int64    `json:"retentionDays"`  // nothing is erased earlier
	CreatedMicros  int64    `json:"createdMicros"`  // µs UTC
	ReleaseDefault string   `json:"releaseDefault"` // "recorded"
}

// GenesisFormat is Genesis.Format.
const GenesisFormat = "trefoil/genesis/v1"

// Start says how a gate runs. Interrupted lists statements without a result
// from the epoch before: what they asked for may have been delivered. For a
// service it is the newest batch of a grant that left statements open, and
// stands for all of them.
type Start struct {
	Version     string   `json:"version"`
	Binary      string   `json:"binary"` // SHA-256 of the running file, hex: a claim, never evidence
	Lease       string   `json:"lease"`  // "none" until an overseer is configured
	Fsync       bool     `json:"fsync"`
	Interrupted []uint64 `json:"interrupted"` // sequences of statements and batches, at most 1,000
	More        int64    `json:"more"`        // and this many statements beyond
}

// Stop is the last entry of an orderly end.
type Stop struct {
	Reason string `json:"reason"`
}

// Rules puts a whole set of rules in force. Their digest stands in every later leaf.
type Rules struct {
	Countersigned bool     `json:"countersigned"`
	Sources       []Source `json:"sources"`
}

// Source is one file of rules: its bytes are what is in force.
type Source struct {
	Kind string `json:"kind"` // catalogue, policy, duties, directory, countries, country-database
	Name string `json:"name"` // base name of the file, for messages
	Text string `json:"text"`
}

// Enrol binds an SSH public key to a login, from this entry on.
type Enrol struct {
	Login       string `json:"login"`
	Key         string `json:"key"` // authorized_keys form, without comment
	Fingerprint string `json:"fingerprint"`
}

// Withdrawal ends a key: it signs nothing from this entry on, and is enrolled for
// nobody again. What it signed before stands.
type Withdrawal struct {
	Login       string `json:"login"`
	Fingerprint string `json:"fingerprint"`
}

// SignedRequest is the document a person signs to ask for access. Subjects and
// reason stand in it by the hash of their part, so that erasing the part leaves
// the signature checkable.
type SignedRequest struct {
	Format   string   `json:"format"` // "trefoil/request/v1"
	Origin   string   `json:"origin"` // the log it is meant for
	Login    string   `json:"login"`
	Service  string   `json:"service,omitempty"` // the program that is to use the grant; empty: Login in person
	Dataset  string   `json:"dataset"`
	Sites    []string `json:"sites"` // which sites; empty means all of the dataset
	Lens     string   `json:"lens"`
	Scope    string   `json:"scope"`
	Purpose  string   `json:"purpose"`
	Case     string   `json:"case"`
	Seconds  int64    `json:"seconds"` // how long the grant is to last
	Subjects []string `json:"subjects"`
	Reason   string   `json:"reason"` // part hash, base64, or empty
	Time     int64    `json:"time"`   // µs UTC when signed
	Nonce    string   `json:"nonce"`
}

// What SignedRequest.Format holds, and the SSH signature namespace it is signed in.
const (
	RequestFormat    = "trefoil/request/v1"
	RequestNamespace = "request@trefoil.dev"
)

// Request is what state needs of a request; the signed document stands in its own part.
type Request struct {
	SignedRequest
	Digest      string `json:"digest"`      // SHA-256 of the signed document, hex
	Fingerprint string `json:"fingerprint"` // the key that signed it
}

// SignedApproval is the document a person signs to approve, deny or revoke.
type SignedApproval struct {
	Format  string `json:"format"` // "trefoil/approval/v1"
	Origin  string `json:"origin"`
	Login   string `json:"login"`
	Verdict string `json:"verdict"` // approve, deny, revoke
	Object  uint64 `json:"object"`  // sequence of the request, or of the grant to revoke
	Digest  string `json:"digest"`  // of the signed request it is about, hex
	Reason  string `json:"reason"`  // part hash, base64, or empty
	Time    int64  `json:"time"`
	Nonce   string `json:"nonce"`
}

// What SignedApproval.Format holds, and the SSH signature namespace it is signed in.
const (
	ApprovalFormat    = "trefoil/approval/v1"
	ApprovalNamespace = "approval@trefoil.dev"
)

// Approval is what state needs of an approval or denial.
type Approval struct {
	SignedApproval
	Fingerprint string `json:"fingerprint"`
}

// Revocation ends a grant. Signed, or by the operator over the unix socket.
type Revocation struct {
	Grant       uint64 `json:"grant"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Decision is everything that is needed to decide again: the state's size, the
// complete canonical input, and what came out.
type Decision struct {
	N       uint64          `json:"n"`       // state as of n: all entries before it
	Request uint64          `json:"request"` // sequence of the request, 0 if none
	Attempt uint64          `json:"attempt"` // of the attempt, for logins
	Grant   uint64          `json:"grant"`   // of the grant, for sessions
	Site    string          `json:"site,omitempty"`
	Until   int64           `json:"until,omitempty"` // µs UTC when the grant ends
	Engine  string          `json:"engine"`
	Input   json.RawMessage `json:"input"` // policy.Input, canonical
	Allow   bool            `json:"allow"`
	Reasons []string        `json:"reasons"`
	Errors  []string        `json:"errors"`
	Duties  []string        `json:"duties"`
	Lens    string          `json:"lensDigest,omitempty"` // fingerprint of the lens a session got
	Why     string          `json:"why,omitempty"`        // what was wrong before policy was asked
}

// StatementRefusal says which session's statement was not served, and why.
type StatementRefusal struct {
	Session uint64 `json:"session"`
	State   string `json:"state"` // SQLSTATE
	Why     string `json:"why"`   // our own sentence, no text of the statement
}

// Attempt is a login that proved who it is, before policy is asked.
type Attempt struct {
	Grant    uint64 `json:"grant"`
	Database string `json:"database"` // DATASET or DATASET.SITE as sent
}

// Secret says that a grant's secret was shown to its holder.
type Secret struct {
	Grant       uint64 `json:"grant"`
	Fingerprint string `json:"fingerprint"`
}

// SignedSecret is what the holder signs to be shown the secret.
type SignedSecret struct {
	Format string `json:"format"` // "trefoil/secret/v1"
	Origin string `json:"origin"`
	Login  string `json:"login"`
	Grant  uint64 `json:"grant"`
	Time   int64  `json:"time"`
	Nonce  string `json:"nonce"`
}

// What SignedSecret.Format holds, and the SSH signature namespace it is signed in.
const (
	SecretFormat    = "trefoil/secret/v1"
	SecretNamespace = "secret@trefoil.dev"
)

// End closes a session.
type End struct {
	Session    uint64 `json:"session"`
	Reason     string `json:"reason"` // client, expired, revoked, rules, lease, stop, store, error
	Statements int64  `json:"statements"`
	Rows       int64  `json:"rows"`
	Bytes      int64  `json:"bytes"` // released to the client, before TLS
}

// Statement is durable before the first byte of its answer leaves. Whoever may
// be in the answer is named by the grant: each of its subjects (case) or
// everybody in the store (bulk). Field order is alphabetical, because the gate
// writes this body by hand.
type Statement struct {
	Grant   uint64 `json:"grant"`
	Kind    string `json:"kind"` // select, copy, fetch, …
	Scope   string `json:"scope"`
	Session uint64 `json:"session"`
}

// StatementText is the part 'statement': what was asked. A parameter is a
// string as sent in text format, {"base64": …} in binary format, or null.
// Ambiguous says that Name may by now stand for another text of the session.
// Field order is alphabetical, as in Statement.
type StatementText struct {
	Ambiguous bool              `json:"ambiguous"`
	Name      string            `json:"name"` // of the prepared statement
	Params    []json.RawMessage `json:"params"`
	Portal    string            `json:"portal"`
	Protocol  string            `json:"protocol"` // simple, prepare, extended, by-name, other
	SQL       string            `json:"sql"`
}

// Result follows its statement; it is not waited for.
type Result struct {
	Bytes     int64  `json:"bytes"`
	Micros    int64  `json:"micros"` // from the statement's record to its end
	Rows      int64  `json:"rows"`
	State     string `json:"state"` // SQLSTATE if failed
	Statement uint64 `json:"statement"`
}

// Statements is a batch of a service's statements and results (batch.go). It is
// durable before the first byte of an answer to any of its statements leaves.
// Field order is alphabetical, because the gate writes this body by hand.
type Statements struct {
	Bytes  int64  `json:"bytes"`  // of the results in it
	Count  int64  `json:"count"`  // statements in it
	Failed int64  `json:"failed"` // of the results in it
	Grant  uint64 `json:"grant"`
	Open   int64  `json:"open"` // statements newer than the newest answered one of their session, up to this batch
	Rows   int64  `json:"rows"` // of the results in it
	Scope  string `json:"scope"`
}

// Strangers counts attempts of one minute that never proved who they were.
// The sources stand in the part 'actor' of each, so the leaf names nobody.
type Strangers struct {
	Since  int64           `json:"since"` // µs UTC
	Counts []StrangerCount `json:"counts"`
	More   int64           `json:"more"` // attempts from sources beyond the listed
}

// StrangerCount is one source's attempts, by what was wrong.
type StrangerCount struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
	Count   int64  `json:"count"`
}
