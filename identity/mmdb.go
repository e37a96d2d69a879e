package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"

	"github.com/oschwald/maxminddb-golang/v2"
)

// maxDatabase bounds a country database, in bytes; those on the market have less
// than 10 MiB.
const maxDatabase = 256 << 20

// Database is a country database in MaxMind's format (MaxMind DB 2.0), as several
// vendors publish it. It is in memory as a whole and does not change. Its bytes
// are too many for the log, which has its digest: whoever recomputes a country
// from an address needs the same file, and a decision's input holds the country.
type Database struct {
	reader *maxminddb.Reader
	digest string
}

// OpenDatabase reads a database and all of its structure. The error is a sentence.
func OpenDatabase(path string) (*Database, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDatabase+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDatabase {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxDatabase>>20)
	}
	return parseDatabase(path, data)
}

func parseDatabase(name string, data []byte) (d *Database, err error) {
	defer func() { // the reader is not ours, the file is a stranger's
		if p := recover(); p != nil {
			d, err = nil, fmt.Errorf("%s is no country database: %v", name, p)
		}
	}()
	r, err := maxminddb.OpenBytes(data)
	if err == nil {
		err = r.Verify()
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no country database in MaxMind's format, or broken: %w", name, err)
	}
	sum := sha256.Sum256(data)
	return &Database{r, hex.EncodeToString(sum[:])}, nil
}

// Digest is the SHA-256 of the file, hex.
func (d *Database) Digest() string { return d.digest }

var isCountry = regexp.MustCompile(`^[A-Z]{2}$`)

// lookup gives the country in which the address is used; not where it was
// registered, since that is where nobody has to be.
func (d *Database) lookup(a netip.Addr) (country string, ok bool) {
	if !a.IsValid() {
		return Unknown, false
	}
	var code string
	if err := d.reader.Lookup(a).DecodePath(&code, "country", "iso_code"); err != nil || !isCountry.MatchString(code) || code == Unknown {
		return Unknown, false
	}
	return code, true
}

// Need says which database goes with the file, by its digest; until Use is given
// that one, what only the database knows is Unknown.
func (c *Countries) Need(digest string) { c.needs = digest }

// Needs is the digest given to Need, or empty.
func (c *Countries) Needs() string { return c.needs }

// Use gives the file its database, before anybody looks anything up. It refuses
// another than the needed one, and none where one is needed.
func (c *Countries) Use(d *Database) error {
	switch {
	case c.needs == "":
		return nil
	case d == nil:
		return fmt.Errorf("the rules go with the country database of SHA-256 %s, and the configuration names none", c.needs)
	case d.digest != c.needs:
		return fmt.Errorf("the rules go with the country database of SHA-256 %s, and the configured file has %s", c.needs, d.digest)
	}
	c.database = d
	return nil
}
