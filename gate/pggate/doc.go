// Package pggate speaks the PostgreSQL wire protocol (frontend/backend protocol
// 3.0, and 3.2 for clients that ask) in front of a store: psql, drivers and desktop
// tools log in here, over TLS and with SCRAM-SHA-256 or -PLUS, and are relayed to a
// store in which their session has a login role of its own that sees one lens and
// nothing else.
//
// Three things happen here and nowhere else:
//
//   - Record before release. Whatever the client sends is judged and recorded
//     before it is forwarded, and no byte from the store (row, error, notice,
//     parameter status) is passed on until every record made so far by this
//     session is durable. Recording takes place while the store already works.
//   - Statement kinds. Statements PostgreSQL has no privilege to revoke (EXPLAIN,
//     LISTEN, ALTER ROLE …) are refused by kind. A refused message is replaced by
//     one that provably fails on the server, and that failure's answer is swapped
//     for ours: order, pipelining and the state of a transaction stay exactly as
//     PostgreSQL defines them. See refuse.go.
//   - The end. When the grant ends, both sockets are closed at once, also when the
//     client has stopped reading; bytes the kernel has not sent yet are discarded.
//
// What a person may see is not decided here: that is the lens, in PostgreSQL
// itself. Who may log in, and how a record is made, is the [Desk]'s business.
//
// One session is three goroutines: up (client → store, up.go), down (store →
// client, down.go) and one that waits for the end (session.go). They share the
// queue of answers still due (due.go) and a handful of atomics. The hot path
// allocates nothing and decodes no row: it walks five-byte headers in place.
package pggate
