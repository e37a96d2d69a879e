package pggate

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Desk answers about logins and opens sessions. All methods are called from many
// goroutines at once.
type Desk interface {
	// Lookup gives the SCRAM material for the user ("LOGIN" or "LOGIN~g-xxxx") and
	// the database ("DATASET" or "DATASET.SITE"), as sent. An unknown name gets a
	// stable salt and no candidates; authentication then fails in the same words,
	// and after the same work, as with a wrong password.
	Lookup(user, database string) Credentials

	// Open is called once SCRAM has succeeded for the candidate l.Grant, or a client
	// certificate for the login has replaced it: the attempt is recorded, policy decides, the session is recorded, its role is
	// created and the store is connected. A *fault.Error is a refusal in words;
	// any other error becomes "internal error". ctx ends with the handshake's time
	// limit or with the gate.
	Open(ctx context.Context, l Login) (Session, error)

	// Stranger counts one connection that never authenticated. reason is one of
	// the fixed words of the Stranger… constants. It must not block.
	Stranger(remote netip.AddrPort, reason string)
}

// Reasons given to Desk.Stranger.
const (
	StrangerBadLogin = "bad-login" // SCRAM failed
	StrangerProtocol = "protocol"  // malformed or oversize messages, no TLS, no login
	StrangerTLS      = "tls"       // TLS handshake failed
	StrangerTimeout  = "timeout"   // nothing, or too little, in time
	StrangerLimit    = "limit"     // too many connections in all, or from this source
	StrangerLeft     = "left"      // the client closed before it authenticated
)

// Credentials are what SCRAM-SHA-256 (RFC 5802, RFC 7677) verifies against. All
// candidates share salt and iteration count: one exchange tells which one is meant.
type Credentials struct {
	Salt       []byte
	Iterations int // at least 1; libpq warns of nothing, but RFC 7677 asks for 4096
	Candidates []Keys
}

// Keys are one candidate's verifier: SHA-256(ClientKey) and ServerKey.
type Keys struct {
	StoredKey, ServerKey [32]byte
	Grant                uint64 // handed back in Login: which candidate it was
}

// Login is a connection that proved who it is: its SCRAM proof matched a candidate,
// or it has a certificate where that suffices.
type Login struct {
	User, Database  string // as sent
	Grant           uint64 // Keys.Grant of the candidate that matched; 0: a certificate alone, no grant is known yet
	Certificate     string // SHA-256 (hex) of the client certificate, which names the login; empty: none was shown
	Remote          netip.AddrPort
	ApplicationName string // as sent by the client: a claim, at most 63 bytes
	Options         []Setting
	TLS             tls.ConnectionState
}

// Setting is one startup parameter from the allowlist (DateStyle, TimeZone …)
// that the session on the store should start with. Names are in lower case.
type Setting struct{ Name, Value string }

// Session is one open session. Statement and Refused are called by one goroutine,
// Result by another, at the same time; Close is called once, after both are done.
type Session interface {
	Durability

	// Upstream is called once, first.
	Upstream() Upstream

	// Statement sequences the record of one statement and returns its position,
	// which never falls within a session, without waiting for it: the gate forwards the statement, and releases
	// nothing the store sends until Durable() > pos. It is on the hot path and
	// must not allocate. s and its slices are valid during the call only. A
	// *fault.Error of kind Statement, Denied or TooLarge refuses this statement;
	// any other error ends the session.
	Statement(s *Statement) (pos uint64, err error)

	// Refused records a statement that the gate will not forward; its error
	// reaches the client only after Durable() > pos. An error ends the session.
	Refused(s *Statement, why *fault.Error) (pos uint64, err error)

	// Result records what became of a statement. It is not waited for; an error
	// ends the session. r is valid during the call only.
	Result(r *Result) error

	// Ended is closed when the session must end: grant ended or revoked, lease
	// lost, log failed, gate stopping. Cause then says which (never nil).
	Ended() <-chan struct{}
	Cause() *fault.Error

	// Close terminates the backend, drops the role and records the end. Both
	// sockets are closed before it is called.
	Close(s Summary)
}

// Upstream is a connection to the store, logged in as the session's own role,
// idle after ReadyForQuery, with nothing read ahead.
type Upstream struct {
	Conn       net.Conn                        // *net.TCPConn, *net.UnixConn or *tls.Conn
	Parameters map[string]string               // every ParameterStatus so far
	Cancel     func(ctx context.Context) error // sends a CancelRequest and returns when that connection has closed
}

// Protocol says in which way a statement came.
type Protocol uint8

const (
	Simple   Protocol = iota // Query: one text, maybe several statements, no parameters
	Prepare                  // Parse without a Bind in the same flight: text, nothing executed yet
	Extended                 // Bind: text and parameters of one portal, and all its Executes
	ByName                   // Bind or Execute of a name made by SQL (PREPARE, DECLARE): SQL is empty, the text is in an earlier record of this session
	Other                    // a message that is no statement and was refused (FunctionCall …)
)

// String names the protocol as records do.
func (p Protocol) String() string {
	return [...]string{"simple", "prepare", "extended", "by-name", "other"}[p]
}

// Param is one parameter of a Bind.
type Param struct {
	Value []byte // raw, in Format; nil is NULL, empty is not
	OID   uint32 // type the client named in Parse; 0 when it left that to the store
	// Format is 0 for text, 1 for binary.
	Format int16
}

// Statement is one statement to record.
type Statement struct {
	Protocol Protocol
	SQL      []byte // as sent, without the terminating zero
	Kind     string // the lexer's word for it: "select", "copy" …
	Label    []byte // fingerprint: the text with its literals stripped
	Name     []byte // prepared statement's name; empty for the unnamed one
	Portal   []byte // portal or cursor name; empty for the unnamed one
	Params   []Param
	// Ambiguous says that SQL-level PREPARE or DEALLOCATE ran in this session, so
	// that Name may by now stand for another text, recorded earlier.
	Ambiguous bool
}

// Completeness says how a statement's answer ended.
type Completeness uint8

const (
	Complete    Completeness = iota // CommandComplete or EmptyQueryResponse
	Suspended                       // PortalSuspended: more may follow for the same Pos
	Failed                          // ErrorResponse, or skipped after an earlier error
	Interrupted                     // the session ended first; the counted rows may have been delivered
)

// String names the completeness as records do.
func (c Completeness) String() string {
	return [...]string{"complete", "suspended", "error", "interrupted"}[c]
}

// Result is what became of the statement recorded at Pos.
type Result struct {
	Pos          uint64 // as returned by Statement
	Rows         int64  // DataRow and CopyData messages released
	Bytes        int64  // bytes of the answer, headers included
	Duration     time.Duration
	Completeness Completeness
	SQLState     [5]byte // zero bytes when there was no error
}

// Summary is what a whole session came to.
type Summary struct {
	Statements, Refused int64
	Rows, Bytes         int64
	Why                 *fault.Error // nil when the client left by itself
}

// Durability is how far a session's record is durable, as the release of bytes
// needs it. Positions are those that Statement and Refused gave.
type Durability interface {
	// Durable is one atomic load: every record at a position < Durable() is durable.
	Durable() uint64
	// Wait returns nil once Durable() > pos. An error means that pos will not
	// become durable, or that ctx has ended. One goroutine at a time calls it.
	Wait(ctx context.Context, pos uint64) error
}
