package record

import "slices"

// Kind says what happened. To add one, see CONTRIBUTING.md.
type Kind string

// The kinds, with the body of their 'decision' part (bodies.go).
const (
	KindGenesis    Kind = "genesis"     // entry 0: who keeps this log and by which rules; part 'genesis' is a signed note
	KindStart      Kind = "start"       // a gate started: Start
	KindStop       Kind = "stop"        // and stopped in order: Stop
	KindRules      Kind = "rules"       // rules took effect: Rules
	KindEnrol      Kind = "enrol"       // a person's key: Enrol
	KindWithdrawal Kind = "withdrawal"  // a person's key counts no longer: Withdrawal
	KindRequest    Kind = "request"     // somebody asks for access: Request, signed; also the attempt's record
	KindApproval   Kind = "approval"    // somebody approves a request: Approval, signed
	KindDenial     Kind = "denial"      // somebody turns a request down: Approval, signed
	KindGrant      Kind = "grant"       // a request is permitted: Decision
	KindRefusal    Kind = "refusal"     // a request, login or statement is not: Decision or StatementRefusal
	KindRevocation Kind = "revocation"  // a grant ends early: Revocation
	KindSecret     Kind = "secret"      // a grant's secret was handed to its holder: Secret
	KindAttempt    Kind = "attempt"     // a login, before policy is asked: Attempt
	KindSession    Kind = "session"     // a login was let in: Decision
	KindEnd        Kind = "session-end" // and is over: End
	KindStatement  Kind = "statement"   // a statement, before anything of its answer leaves: Statement
	KindResult     Kind = "result"      // what its answer was: Result
	KindStatements Kind = "statements"  // statements and results of a service, one entry for each flush: Statements
	KindStrangers  Kind = "strangers"   // attempts that never proved who they were, counted: Strangers
)

var kinds = []Kind{KindGenesis, KindStart, KindStop, KindRules, KindEnrol, KindWithdrawal, KindRequest, KindApproval, KindDenial,
	KindGrant, KindRefusal, KindRevocation, KindSecret, KindAttempt, KindSession, KindEnd, KindStatement, KindResult, KindStatements, KindStrangers}

func (k Kind) known() bool { return slices.Contains(kinds, k) }

// Outcome says how it ended, in one published word.
type Outcome string

// The outcomes.
const (
	None        Outcome = "-"           // nothing to decide
	Allowed     Outcome = "allowed"     // the decision was yes
	Denied      Outcome = "denied"      // the decision was no
	Pending     Outcome = "pending"     // no decision yet
	Complete    Outcome = "complete"    // the result was delivered whole
	Failed      Outcome = "failed"      // the store answered with an error
	Interrupted Outcome = "interrupted" // cut off; what came before may have been delivered
)

var outcomes = []Outcome{None, Allowed, Denied, Pending, Complete, Failed, Interrupted}

func (o Outcome) known() bool { return slices.Contains(outcomes, o) }

// Names of parts. State and decisions read 'actor' and 'decision' alone; the
// others may be erased without changing either.
const (
	PartActor     = "actor"     // Actor
	PartDecision  = "decision"  // the kind's body
	PartGenesis   = "genesis"   // a C2SP signed note over a Genesis
	PartSigned    = "signed"    // the document a person signed, canonical JSON
	PartSignature = "signature" // their armoured SSH signature over it
	PartStatement = "statement" // StatementText; of 'statements': Batch
	PartDigest    = "digest"    // BatchDigest
	PartReason    = "reason"    // free text a person gave
	PartSubject   = "subject/"  // + number: one subject's key
)

// Kinds lists every kind, for those who must handle each.
func Kinds() []Kind { return slices.Clone(kinds) }
