// Package lens turns "staff may see these columns of these subjects" into
// something PostgreSQL itself enforces: roles, views and nothing else. The gate
// that stands in front of a store is strict, but it is never the only wall; a
// session that got past it would still be a PostgreSQL role that owns nothing,
// inherits nothing and may read a handful of views.
//
// # What stands in a store
//
//   - The fence. Every role inherits what PUBLIC holds and PostgreSQL has no
//     DENY, so a store is gated only when PUBLIC holds nothing that a new role
//     could reach. Apply moves it to the role trefoil_public, of which every
//     role that exists at that moment becomes a member; new roles do not.
//   - The schema trefoil: which lens schemas exist (lens), which session role
//     serves which grant, with the padded key of its pseudonyms (session), which
//     subjects a grant names (scope), and the definer functions by which the gate
//     opens and closes sessions. The gate's own role can execute those
//     functions and do nothing else.
//   - For each dataset, lens and scope one schema of views, such as
//     clips_masked_case_3f9a01bc, where the last part begins the digest of the
//     compiled SQL. Its views belong to a role that cannot log in and may read
//     only the classified columns.
//
// # Lenses
//
// clear shows columns as they are, masked under the catalogue's masks,
// pseudonymous without anything that names or places a person; docs/catalogue.md
// has the table. What the catalogue does not classify exists in none. All three
// are compiled by the same code at another catalog.Level, which says under which
// mask a column is shown; rows of minors are shown one level narrower.
//
// # Scopes
//
// bulk shows every row of the store: plain views, which PostgreSQL flattens, so
// plans stay those of the base tables. The whole store is in scope, so keys of
// subjects stay as they are in clear and masked, and joins keep their meaning.
//
// case shows the rows of the subjects named in a grant: views with
// security_barrier, OFFSET 0, which keeps a reader's conditions above them, and
// a semi-join on trefoil.scope for the grant of session_user. The key of a subject outside the grant (the other end of a
// message) is shown as a pseudonym: HMAC-SHA-256 under the grant's key, in clear
// and masked in the type of the column where it can be kept. In pseudonymous the
// scope is joined, and its rows hold the pseudonyms that the gate computed.
//
// Tables without personal data are shown whole in both.
//
// # Masks
//
// A mask is an inline expression of built-in functions. It never reads a key,
// never raises an error whose text could hold the hidden value, gives NULL for
// NULL, and keeps the type where it can. See mask.go for the exact results.
//
// # Changing
//
// NewPlan compares catalogue and store and says what would be done; Apply does
// it in one transaction, beside what stands, and gives up after two seconds of
// waiting for a lock. Fingerprint says whether what Apply built still stands.
// The functions of this package need a superuser, except CheckFence,
// Fingerprint, OpenSession, CloseSession and Sweep, which the gate's role calls.
package lens
