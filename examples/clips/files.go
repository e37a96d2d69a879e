// Package clips holds the example of clips, a fictional short-video platform:
// its tables, and its rules (catalogue, policy, duties, staff directory and
// countries). The demo publishes them; a first zone of one's own can start from
// a copy.
package clips

import "embed"

// Files are the example's rules, by base name.
//
//go:embed catalog.yaml rules.cedar duties.cedar directory.yaml countries.yaml
var Files embed.FS

// Schema makes the empty tables; keys and indexes come behind KeysMark.
//
//go:embed schema.sql
var Schema string

// KeysMark begins the second half of Schema, which comes after loading.
const KeysMark = "-- Keys and indexes"
