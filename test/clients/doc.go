// Package clients runs the usual PostgreSQL clients against a real running gate:
// psql, pgx, node-postgres, psycopg2, psycopg 3 and pgjdbc, each on the same list
// of capabilities over a masked bulk grant and a case grant. What a client reports
// is compared with what the store's superuser reads from the same lens, so every
// client must see the same thing. docs/clients.md is the table of what came of it,
// and a test fails when the two disagree.
//
// A client that is not Go is a program beside this package (node/, python/, java/).
// It is given one line of JSON, [brief], on its standard input and prints one line
// for each capability:
//
//	{"capability": "cursor", "got": {"rows": "100000", …}}   compared
//	{"capability": "cursor", "cannot": "why"}                 stands in docs/clients.md
//	{"capability": "cursor", "error": "…"}                    fails
//	{"await": "sleep NAME"}                                   answered by one line when
//	                                                          the store runs that statement
//
// The questions that desktop tools ask the catalogues are in metadata/. It holds
// tests only.
package clients
