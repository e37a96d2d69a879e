package api

import (
	"encoding/json"

	"github.com/trefoil-dev/trefoil/record"
)

// Status is what an instance says about itself to anybody.
type Status struct {
	Version   string   `json:"version,omitempty"`
	Zone      string   `json:"zone"`
	Origin    string   `json:"origin"`
	Time      int64    `json:"time"` // µs UTC
	Durable   uint64   `json:"durable"`
	Published uint64   `json:"published"`
	Sessions  int      `json:"sessions"`
	Rules     string   `json:"rules"`    // digest in force, base64, or empty
	Postgres  []string `json:"postgres"` // where the data gate listens
}

// Part is a record.Part on the wire.
type Part struct {
	Name string `json:"name"`
	Salt []byte `json:"salt"`
	Data []byte `json:"data"`
}

// Signed is a document a person signed.
type Signed struct {
	Document  []byte `json:"document"`
	Signature []byte `json:"signature"`
	Subjects  []Part `json:"subjects,omitempty"`
	Reason    *Part  `json:"reason,omitempty"`
}

// Rules is a set to be put in force, or the one that is. Without any in force it
// has no sources.
type Rules struct {
	Sources []record.Source `json:"sources"`
	After   string          `json:"after,omitempty"` // digest that whoever publishes saw in force, "none" before the first; refused when it is another by now
}

// Published is the answer to Rules.
type Published struct {
	Entry  uint64 `json:"entry"`
	Digest string `json:"digest"`
}

// Enrolment binds a key to a person.
type Enrolment struct {
	Login string `json:"login"`
	Key   string `json:"key"` // a line of an authorized_keys file
}

// Withdrawal ends a key.
type Withdrawal struct {
	Login       string `json:"login"`
	Fingerprint string `json:"fingerprint"` // as ssh-keygen -l prints it
}

// Enrolled is the answer to Enrolment and Withdrawal.
type Enrolled struct {
	Entry       uint64 `json:"entry"`
	Fingerprint string `json:"fingerprint"`
}

// Refusal says why not, and what is possible instead.
type Refusal struct {
	Message string   `json:"message"`
	Detail  []string `json:"detail"`
	Hint    string   `json:"hint"`
	Rule    string   `json:"rule"`
}

// Outcome is what came of a request or verdict.
type Outcome struct {
	Request *Request `json:"request,omitempty"`
	Grant   *Grant   `json:"grant,omitempty"`
	Refusal *Refusal `json:"refusal,omitempty"`
	Entry   uint64   `json:"entry"`
}

// Request is one request as it stands.
type Request struct {
	ID        string   `json:"id"`
	Entry     uint64   `json:"entry"`
	Login     string   `json:"login"`
	Service   string   `json:"service,omitempty"` // the program that is to use the grant
	Dataset   string   `json:"dataset"`
	Sites     []string `json:"sites"`
	Lens      string   `json:"lens"`
	Scope     string   `json:"scope"`
	Purpose   string   `json:"purpose"`
	Case      string   `json:"case"`
	People    int      `json:"people"`
	Seconds   int64    `json:"seconds"`
	Time      int64    `json:"time"`
	Lapses    int64    `json:"lapses,omitempty"` // from when on it cannot be granted; missing: never
	Digest    string   `json:"digest"`
	Approvals []string `json:"approvals"`        // logins
	State     string   `json:"state"`            // open, granted, denied, lapsed
	Grant     string   `json:"grant"`            // id, or empty
	Sealed    *Sealed  `json:"sealed,omitempty"` // of one request alone, for those who may see it
}

// Sealed is what of a request nobody but its maker, approvers and the operator sees.
type Sealed struct {
	Reason string   `json:"reason"`
	Keys   []string `json:"keys"` // of the people; those erased are missing
}

// Grant is one grant as it stands.
type Grant struct {
	ID       string   `json:"id"`
	Entry    uint64   `json:"entry"`
	Request  string   `json:"request"`
	Login    string   `json:"login"`
	Service  string   `json:"service,omitempty"` // the program that uses it, instead of Login
	Dataset  string   `json:"dataset"`
	Sites    []string `json:"sites"`
	Lens     string   `json:"lens"`
	Scope    string   `json:"scope"`
	Purpose  string   `json:"purpose"`
	From     int64    `json:"from"`
	Until    int64    `json:"until"`
	State    string   `json:"state"`    // in-force, expired, revoked
	Database []string `json:"database"` // what to give as dbname
}

// Secret is a grant's password.
type Secret struct {
	Grant  Grant  `json:"grant"`
	Secret string `json:"secret"`
}

// Entry is an entry with its opened parts.
type Entry struct {
	Leaf  string      `json:"leaf"` // canonical text
	Hash  string      `json:"hash"`
	Parts []EntryPart `json:"parts"`
}

// EntryPart is a part; JSON when its bytes are JSON, otherwise text.
type EntryPart struct {
	Name string          `json:"name"`
	JSON json.RawMessage `json:"json,omitempty"`
	Text string          `json:"text,omitempty"`
}

// Error is the body of every failure.
type Error struct {
	Message  string   `json:"message"`
	Detail   []string `json:"detail,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	SQLState string   `json:"sqlstate"`
}
