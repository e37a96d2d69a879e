// Package scan drafts a catalogue from a live PostgreSQL database, for a person
// to confirm. It reads one schema: its tables, keys and types, and a sample of
// each table's rows. From that it proposes which table holds the data subject,
// how every other table hangs on it, where the home country stands, and a
// category and mask for each column, with the reason beside it. What it cannot
// tell it leaves unclassified, and what is not classified exists in no lens: a
// draft that errs, errs towards showing less.
//
//	d, err := scan.Scan(ctx, conn, scan.Options{Schema: "public"})
//	os.Stdout.Write(d.YAML())
//
// Sampled values never leave memory: each is looked at, counted and forgotten,
// and only counts go into a draft, as shares rounded to 5 %, and none of fewer
// than ten values. Errors of the store carry values too, so of those only the
// SQLSTATE is repeated. Names of tables and columns are not data and are quoted.
//
// Scanning asks little of a store: transactions are read-only and one per table,
// so that no snapshot and no lock is kept; statements are limited in time; large
// tables are sampled by page, and of a value only the beginning is read. No
// function of the database's own is called: types that would need one are left
// out, and the search path is empty. The same database gives the same draft.
//
// The steps, a file each: schema (what there is), sample and shapes (what values
// look like), words (what names say), implied (references without a foreign
// key), subject (whose data it is), graph (kinds and paths), classify
// (categories), yaml (the draft).
package scan
