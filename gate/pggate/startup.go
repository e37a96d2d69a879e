package pggate

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/trefoil-dev/trefoil/gate/pggate/sqllex"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Request codes that stand where a startup packet has its protocol version.
const (
	codeCancel = 1234<<16 | 5678
	codeTLS    = 1234<<16 | 5679
	codeGSS    = 1234<<16 | 5680

	protocol30 = 3 << 16
	protocol32 = 3<<16 | 2 // PostgreSQL 18: longer cancel keys. 3.1 is reserved.

	// maxStartup is PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH).
	maxStartup = 10000
)

// startup is a parsed startup packet.
type startup struct {
	user, database  string
	applicationName string
	settings        []Setting
	version         uint32   // spoken with this client: protocol30 or protocol32
	negotiate       bool     // a minor version or _pq_ options we do not speak were asked for
	unknown         []string // those options
}

// parseStartup reads a startup packet without its length: the protocol version,
// then name and value pairs, then a zero. It is stricter than PostgreSQL: names
// are compared without case, and a name that comes twice is refused, since two
// readers could disagree on which one counts.
func parseStartup(b []byte) (*startup, *fault.Error) {
	if len(b) < 5 {
		return nil, fault.New(fault.Protocol, "startup packet is too short")
	}
	version := binary.BigEndian.Uint32(b)
	if version>>16 != 3 {
		return nil, fault.New(fault.Statement, "protocol version %d.%d is not served", version>>16, version&0xffff).
			WithHint("use a client that speaks protocol 3.0, any since PostgreSQL 7.4")
	}
	s := &startup{version: protocol30}
	if version >= protocol32 {
		s.version = protocol32
	}
	s.negotiate = version != s.version
	seen := map[string]bool{}
	b = b[4:]
	for {
		name, rest, ok := cut(b)
		if !ok {
			return nil, fault.New(fault.Protocol, "startup packet is not terminated")
		}
		if len(name) == 0 {
			if len(rest) != 0 {
				return nil, fault.New(fault.Protocol, "startup packet goes on after its end")
			}
			break
		}
		value, rest, ok := cut(rest)
		if !ok {
			return nil, fault.New(fault.Protocol, "startup parameter without a value")
		}
		b = rest
		if !plain(name) || !plain(value) {
			return nil, fault.New(fault.Protocol, "startup parameters must be UTF-8 without control characters")
		}
		key := strings.ToLower(string(name))
		if seen[key] {
			return nil, fault.New(fault.Protocol, "startup parameter %q comes twice", key)
		}
		seen[key] = true
		if err := s.set(key, string(value)); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

// set takes one parameter, its name in lower case.
func (s *startup) set(name, value string) *fault.Error {
	switch {
	case name == "user":
		s.user = value
	case name == "database":
		s.database = value
	case name == "application_name":
		s.applicationName = value[:min(len(value), 63)]
		for !utf8.ValidString(s.applicationName) {
			s.applicationName = s.applicationName[:len(s.applicationName)-1]
		}
	case name == "client_encoding":
		// SQL_ASCII means "do not convert", which is what psql asks for in the C
		// locale: such a client is sent UTF-8, as the store would send it.
		switch strings.NewReplacer("-", "", "_", "", "'", "").Replace(strings.ToUpper(value)) {
		case "UTF8", "UNICODE", "SQLASCII":
		default:
			return fault.New(fault.Statement, "client encoding %q is not served", value).
				WithHint("set PGCLIENTENCODING=UTF8 (psql), or client_encoding=UTF8 in the connection string")
		}
	case name == "options":
		if strings.TrimSpace(value) != "" {
			return fault.New(fault.Statement, "command-line options are not served").
				WithHint("leave \"options\" (PGOPTIONS) empty and use SET after login")
		}
	case name == "replication":
		return fault.New(fault.Statement, "replication connections are not served")
	case strings.HasPrefix(name, "_pq_."):
		s.negotiate = true
		s.unknown = append(s.unknown, name)
	default: // what SET may, a startup packet may
		if why := sqllex.CheckSetting(name, value); why != nil {
			return why.WithHint("leave %s out of the connection string; docs/statements.md lists what may be set, and why", name)
		}
		s.settings = append(s.settings, Setting{name, value})
	}
	return nil
}

// check looks at what must be there.
func (s *startup) check() *fault.Error {
	switch {
	case s.user == "":
		return fault.New(fault.Protocol, "no user name in the startup packet").
			WithHint("connect with user=LOGIN or user=LOGIN~GRANT")
	case s.database == "":
		// PostgreSQL would take the user name: here it would name a dataset by accident.
		return fault.New(fault.Ambiguous, "no database name in the startup packet").
			WithHint("connect with dbname=DATASET or dbname=DATASET.SITE; `trefoil access list` shows yours")
	case len(s.user) > 255 || len(s.database) > 255:
		return fault.New(fault.TooLarge, "user and database name may have 255 bytes")
	}
	return nil
}

// plain reports whether b is UTF-8 without control characters.
func plain(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// negotiateMessage is NegotiateProtocolVersion: version is the newest we speak that
// is not newer than what was asked for, and these options were not understood.
func negotiateMessage(b []byte, version uint32, unknown []string) []byte {
	b, at := begin(b, msgNegotiate)
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(unknown)))
	for _, u := range unknown {
		b = append(append(b, u...), 0)
	}
	return finish(b, at)
}
