// Package schema holds the JSON Schemas (draft 2020-12) of the files that people
// write: the catalogue and trefoil.yaml. Editors check and complete by them
// ("trefoil check --schema catalog" prints one). The readers in catalog and app
// decide; a test holds the schemas to the keys that those accept, no more and no
// fewer. What one file can't say of itself, such as a path that ends nowhere, only
// "trefoil check" finds.
package schema

import _ "embed" // the schemas

// Catalog is the schema of a catalogue.
//
//go:embed catalog.schema.json
var Catalog string

// Config is the schema of trefoil.yaml.
//
//go:embed config.schema.json
var Config string
