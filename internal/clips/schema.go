package clips

import (
	"strings"

	example "github.com/trefoil-dev/trefoil/examples/clips"
)

// Schema is the SQL of the empty dataset: tables, keys and indexes, in schema
// public.
func Schema() string { return example.Schema }

// schemaParts gives the tables, and apart from them their keys and indexes,
// which are added to loaded tables: a tenth of the work.
func schemaParts() (tables, keys string) {
	tables, keys, _ = strings.Cut(example.Schema, example.KeysMark)
	return tables, "--" + keys
}
