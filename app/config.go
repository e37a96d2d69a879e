package app

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/gate/pggate"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// Config is trefoil.yaml. Decoding is strict; relative paths are relative to
// the file's own directory. It holds no secret, only where secrets lie.
type Config struct {
	// Zone is the zone of the catalogue that this instance keeps the log of.
	Zone string `yaml:"zone"`
	// Gate names this gate in every entry: 1 to 30 of a-z, 0-9 and hyphens.
	Gate string `yaml:"gate"`
	// DataDir holds log, evidence and write-ahead log; one process at a time.
	DataDir string `yaml:"data_dir"`
	// Lease must be "none" until an overseer is configured. Start-up prints it
	// and the log records it: nobody outside can stop this gate.
	Lease string `yaml:"lease"`

	Listen Listen           `yaml:"listen"`
	TLS    TLS              `yaml:"tls"`
	Keys   Keys             `yaml:"keys"`
	Stores map[string]Store `yaml:"stores"`
	Rules  Rules            `yaml:"rules"`
	Limits Limits           `yaml:"limits"`

	dir string
}

// Listen is where the instance can be reached.
type Listen struct {
	// Postgres lists host:port for clients of the data gate. TLS always.
	Postgres []string `yaml:"postgres"`
	// API is host:port of the HTTPS API for staff; empty: none.
	API string `yaml:"api"`
	// Socket is the unix socket for operators, mode 0600.
	Socket string `yaml:"socket"`
}

// TLS names the server's certificate (RSA or ECDSA) and key, PEM. SIGHUP rereads
// every file named here.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ClientCA holds the certificates, PEM, of who issues client certificates to
	// staff: their only URI SAN trefoil:login:LOGIN, or else their common name, is the
	// login. Whoever can issue them can log in as anybody when they are sufficient.
	ClientCA string `yaml:"client_ca"`
	// ClientAuth says what they are for: "none" (the default), "optional" (on top of
	// the grant's secret), "required" (secret and certificate, both) or "sufficient"
	// (instead of the secret). One that is shown must name the login in every mode.
	ClientAuth string `yaml:"client_auth"`
}

// clientAuth gives the words of TLS.ClientAuth their meaning.
var clientAuth = map[string]pggate.ClientAuth{"": pggate.CertIgnored, "none": pggate.CertIgnored,
	"optional": pggate.CertOptional, "required": pggate.CertRequired, "sufficient": pggate.CertSufficient}

// Keys names the three secret files, each 0600. See docs/threat-model.md for
// what the thief of each can do.
type Keys struct {
	Log      string `yaml:"log"`      // signs checkpoints
	Seed     string `yaml:"seed"`     // derives grants' secrets and pseudonyms
	Evidence string `yaml:"evidence"` // wraps the keys of sealed parts
}

// Store is one PostgreSQL server, named as in the catalogue's sites.
type Store struct {
	// Connect is a libpq connection string without a password; its user is
	// trefoil_gate, which 'trefoil lens apply' makes.
	Connect string `yaml:"connect"`
	// PasswordFile holds that role's password.
	PasswordFile string `yaml:"password_file"`
}

// Rules names the files that 'trefoil publish' puts in force. They are not
// read by serve: what is in force stands in the log.
type Rules struct {
	Catalogue string `yaml:"catalogue"`
	Policy    string `yaml:"policy"`
	Duties    string `yaml:"duties"`
	Directory string `yaml:"directory"`
	Countries string `yaml:"countries"`
	// CountryDatabase is a file in MaxMind's format (.mmdb) that tells the country of
	// addresses that the ranges of Countries do not; empty: none. Its digest is
	// published with the rules, and serve reads the file itself.
	CountryDatabase string `yaml:"country_database"`
}

// Limits bound what clients may take. Zero means the default in brackets.
type Limits struct {
	Sessions  int `yaml:"sessions"`   // open at once [500]
	PerSource int `yaml:"per_source"` // connections of one address that have not logged in [64]
	// Statement is how long one statement may take, such as 90m, whatever the client
	// set statement_timeout to; then its session is ended [4h].
	Statement time.Duration `yaml:"statement"`
	// PerService is how many sessions a grant of a service may have open at one
	// store [50]. PostgreSQL's own max_connections counts them, too.
	PerService int `yaml:"per_service"`
}

// LoadConfig reads and checks a configuration file.
func LoadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.BadInput, "there is no configuration at %s", path).WithHint("trefoil init writes one; --config names another")
	}
	if err != nil {
		return nil, err
	}
	var c Config
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n", "")
		return nil, fault.New(fault.BadInput, "%s: %s", path, strings.TrimSpace(text)).WithHint("trefoil init --print shows every setting with a comment")
	}
	if c.dir, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, fault.New(fault.BadInput, "%s: %s", path, err)
	}
	return &c, nil
}

func (c *Config) check() error {
	switch {
	case !record.IsName(c.Zone):
		return errors.New("zone: must be a name of a-z, 0-9 and hyphens")
	case !record.IsName(c.Gate) || len(c.Gate) > 30:
		return errors.New("gate: must be a name of at most 30 of a-z, 0-9 and hyphens")
	case c.DataDir == "":
		return errors.New("data_dir: is missing")
	case c.Lease != "none":
		return errors.New(`lease: must be "none", because no overseer can be configured yet; it says that nobody outside can stop this gate`)
	case len(c.Listen.Postgres) == 0:
		return errors.New("listen.postgres: needs at least one host:port")
	case c.TLS.Certificate == "" || c.TLS.Key == "":
		return errors.New("tls: certificate and key are both needed; the gate speaks TLS only")
	case !slices.Contains([]string{"", "none", "optional", "required", "sufficient"}, c.TLS.ClientAuth):
		return fmt.Errorf(`tls.client_auth: %q is none of "none", "optional", "required", "sufficient"`, c.TLS.ClientAuth)
	case (clientAuth[c.TLS.ClientAuth] != pggate.CertIgnored) != (c.TLS.ClientCA != ""):
		return errors.New("tls: client_ca and client_auth other than none go together")
	case c.Keys.Log == "" || c.Keys.Seed == "" || c.Keys.Evidence == "":
		return errors.New("keys: log, seed and evidence are all needed")
	case c.Rules.Catalogue == "" || c.Rules.Policy == "" || c.Rules.Duties == "" || c.Rules.Directory == "" || c.Rules.Countries == "":
		return errors.New("rules: catalogue, policy, duties, directory and countries are all needed")
	}
	if d := c.Limits.Statement; d != 0 && d < time.Second {
		return fmt.Errorf("limits.statement: %s is less than a second; write a duration with its unit, such as 90m", d)
	}
	for _, addr := range c.Listen.Postgres {
		if !isAddress(addr) {
			return fmt.Errorf("listen.postgres: %q is not host:port with a port from 0 (any) to 65535", addr)
		}
	}
	if c.Listen.API != "" && !isAddress(c.Listen.API) {
		return fmt.Errorf("listen.api: %q is not host:port with a port from 0 (any) to 65535", c.Listen.API)
	}
	for name, s := range c.Stores {
		if s.Connect == "" || s.PasswordFile == "" {
			return fmt.Errorf("stores.%s: connect and password_file are both needed", name)
		}
		if hasPassword(s.Connect) {
			return fmt.Errorf("stores.%s: a password does not belong in the configuration; put it into password_file", name)
		}
	}
	return nil
}

// isAddress says whether text is host:port, the host maybe empty. Port 0 is any
// that is free.
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	_, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil
}

// hasPassword says whether a libpq connection string holds one, in either form.
func hasPassword(connect string) bool {
	if u, err := url.Parse(connect); err == nil && u.User != nil {
		_, has := u.User.Password()
		return has
	}
	return strings.Contains(connect, "password")
}

// Path resolves a path of the configuration.
func (c *Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// Socket is the path of the operators' socket.
func (c *Config) Socket() string {
	if c.Listen.Socket == "" {
		return filepath.Join(c.Path(c.DataDir), "api.sock")
	}
	return c.Path(c.Listen.Socket)
}

// Sources reads the rules' files.
func (c *Config) Sources() ([]record.Source, error) {
	var out []record.Source
	for _, f := range []struct{ kind, path string }{
		{"catalogue", c.Rules.Catalogue}, {"countries", c.Rules.Countries}, {"directory", c.Rules.Directory},
		{"duties", c.Rules.Duties}, {"policy", c.Rules.Policy},
	} {
		text, err := os.ReadFile(c.Path(f.path))
		if err != nil {
			return nil, fault.New(fault.BadInput, "rules.%s: %s", f.kind, err)
		}
		out = append(out, record.Source{Kind: f.kind, Name: filepath.Base(f.path), Text: string(text)})
	}
	d, err := c.database()
	if err != nil {
		return nil, fault.New(fault.BadInput, "rules.country_database: %s", err)
	}
	if d != nil {
		out = append(out, access.Database(filepath.Base(c.Rules.CountryDatabase), d))
	}
	return out, nil
}

// database opens the country database; nil: there is none.
func (c *Config) database() (*identity.Database, error) {
	if c.Rules.CountryDatabase == "" {
		return nil, nil
	}
	return identity.OpenDatabase(c.Path(c.Rules.CountryDatabase))
}
