// Package identity answers "who is asking, and from where": from a login to a
// person with an employer and managers, from an address to a country, from a
// signature to the key that made it.
//
// It holds three things, each a pure function of published bytes:
//
//   - Directory: the staff directory (directory.yaml). Who exists, who employs
//     them, where they work, and who manages whom. Outside says whether an
//     approver stands outside a requester's hierarchy.
//   - Countries: what is known about countries (countries.yaml): which address
//     ranges lie in them, which law regimes reach people there and since when,
//     and to which of them a zone's data may go by an adequacy decision.
//   - Verify: signatures made by `ssh-keygen -Y sign`, so that a
//     request or an approval is the act of a person and not of the server.
//
// Nothing here decides anything: package policy does, from these facts. A
// country is an ISO 3166-1 alpha-2 code; the user-assigned codes XA to XZ are
// free for examples, and Unknown (ZZ) is what an address without a range gives.
// No rule can list ZZ as trusted, because both files refuse it.
package identity
