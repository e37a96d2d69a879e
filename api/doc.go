// Package api is the one HTTP + JSON interface of an instance: for the command
// line, and for other people's tools.
//
// Two handlers serve it. Operator is behind the unix socket (0600; the peer's
// uid is recorded) and may do everything an operator may. Staff is behind TLS:
// there a person proves who they are with their own SSH key, in the signed
// document itself or, for reading, in the header Trefoil-Call.
// A person is shown their own requests and grants, and the requests that are
// open or that they approved; an operator sees all.
// The published half of the log lies under /log/ on both, for anybody.
//
//	GET  /v1/status
//	GET  /v1/rules                     operator: Rules in force
//	POST /v1/rules        Rules        operator
//	POST /v1/keys         Enrolment    operator
//	POST /v1/keys/withdraw Withdrawal  operator
//	POST /v1/requests     Signed       staff
//	POST /v1/verdicts     Signed       staff: approve, deny, revoke
//	POST /v1/secrets      Signed       staff: the holder of a grant
//	POST /v1/grants/{id}/revoke        operator
//	GET  /v1/requests[/{id}], /v1/grants[/{id}]
//	GET  /v1/entries/{seq}, /v1/entries?from=…&wait=…   operator
//	GET  /v1/search?person=…&dataset=…&subject=…&kind=…&since=…&before=…&limit=…   operator
//	GET  /v1/index, POST /v1/index/rebuild              operator
//	GET  /log/checkpoint, /log/tile/…, /log/genesis.json
//
// An error is {"error": {message, detail, hint, sqlstate}} with the status from
// internal/fault.
package api
