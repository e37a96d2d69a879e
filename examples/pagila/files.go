// Package pagila holds the example of a database that was not made for Trefoil:
// Pagila, the PostgreSQL project's DVD rental, with its catalogue and with the
// rules, duties, staff directory and countries of a fictional business. README.md
// says how to try it. The data itself is not here.
package pagila

import "embed"

// Files are the example's rules, by base name.
//
//go:embed catalog.yaml rules.cedar duties.cedar directory.yaml countries.yaml
var Files embed.FS
