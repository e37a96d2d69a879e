// Package clips holds the example of clips, a fictional short-video platform: its
// tables, and the rules of its two zones (catalogue, policy, duties, staff directory
// and countries). The demo publishes them; a first zone of one's own can start from
// a copy. Zone eu's lie here, in us/ those that zone us has instead.
package clips

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Files are the rules of zone eu, by base name.
//
//go:embed catalog.yaml rules.cedar duties.cedar directory.yaml countries.yaml
var Files embed.FS

//go:embed us
var us embed.FS

// Write puts the rules of a zone into a new directory; those of a zone that the
// example does not have are zone eu's.
func Write(dir, zone string) error {
	if err := os.CopyFS(dir, Files); err != nil || zone != "us" {
		return err
	}
	own, err := fs.Glob(us, "us/*")
	for _, name := range own {
		text, e := us.ReadFile(name)
		if e == nil {
			e = os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o644)
		}
		err = errors.Join(err, e)
	}
	return err
}

// Schema makes the empty tables; keys and indexes come behind KeysMark.
//
//go:embed schema.sql
var Schema string

// KeysMark begins the second half of Schema, which comes after loading.
const KeysMark = "-- Keys and indexes"
