package main

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

var passwordSetting = regexp.MustCompile(`(?i)\b(ssl)?password\s*=`)

// connectStore connects to a store as its administrator. The connection string
// may not hold a password, because command lines can be read by others.
func connectStore(ctx context.Context, flag, conn string) (*pgx.Conn, error) {
	u, err := url.Parse(conn)
	inURL := false
	if err == nil && u.User != nil {
		_, inURL = u.User.Password()
	}
	if inURL || passwordSetting.MatchString(conn) {
		return nil, fault.New(fault.BadInput, "a password on the command line can be read by everybody on this machine").
			WithHint("leave it out of %s; put it into PGPASSWORD or ~/.pgpass", flag)
	}
	cfg, err := pgx.ParseConfig(conn)
	if err != nil {
		return nil, fault.New(fault.BadInput, "%s does not read as a libpq connection string", flag).WithHint("%s 'host=127.0.0.1 dbname=clips user=postgres'", flag)
	}
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, away(err)
	}
	return c, nil
}

// away tells why a store could not be reached, an address a line.
func away(err error) error {
	lines := strings.Split(err.Error(), "\n")
	f := fault.New(fault.StoreAway, "the store does not let us in: %s", strings.TrimSuffix(lines[0], ":"))
	for _, line := range lines[1:] {
		if line = strings.TrimSpace(line); !slices.Contains(f.Detail, line) { // with TLS and without
			f.Detail = append(f.Detail, line)
		}
	}
	return f
}
