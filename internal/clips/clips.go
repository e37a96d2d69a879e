// Package clips makes the data of an invented short-video platform: users, their
// devices, sign-ins, videos, views, messages and orders. The demo, the examples
// and the tests all work on it.
//
// Everything follows from a fixed seed and a user's id: the same options give
// the same bytes on every machine, and a user has the same name, devices and
// sign-ins at any scale and at any site. Nobody in it exists. Mail domains end in
// .example (RFC 2606), IPv4 addresses come from 100.64.0.0/10 (RFC 6598, one /16
// per country) and IPv6 addresses from 2001:db8::/32 (RFC 3849), and telephone
// numbers begin with 555 after the country code.
//
// At scale 1 the platform has 200,000 users in 60 countries. Three in five, about
// 119,600, live in the EEA, the United Kingdom or Switzerland, the countries of zone
// eu; the others are residents of zone us. A store holds residents of its zone and
// nobody else's rows, and the sites of a zone share them by id (id modulo the number
// of sites). A store holds its own users and what hangs on them; both ends of a
// message and both viewer and maker of a video are users of the same store. The
// table of countries is whole everywhere.
package clips

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trefoil-dev/trefoil/internal/pgcluster"
)

// UsersAtScale1 is the number of users of the whole platform at scale 1.
const UsersAtScale1 = 200_000

// The platform never has fewer users than this, so that the people of the
// stories exist at every scale.
const minUsers = 1_000

// Options choose how much of the platform a store holds.
type Options struct {
	Scale float64 // 1 is UsersAtScale1 users on the platform; 0 means 1; at least minUsers are made
	Zone  string  // whose residents: "eu", "us", or "" for eu
	Site  int     // which of the zone's sites, from 0
	Sites int     // how many sites share the users; 0 means 1

	// Everywhere loads residents of all 60 countries, as a platform would that has
	// not placed anybody yet; otherwise only those of Zone.
	Everywhere bool

	// Progress, if any, is called a few times per table with rows.
	Progress func(table string, done, total int64)
}

// ErrLoaded is returned by Load when the database holds clips already.
var ErrLoaded = errors.New("the database holds the clips dataset already")

// Create makes the database clips on a server and loads it.
func Create(ctx context.Context, c *pgcluster.Cluster, o Options) error {
	admin, err := pgx.Connect(ctx, c.DSN("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "CREATE DATABASE clips"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.DSN("clips"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return Load(ctx, conn, o)
}

// Load creates the schema in the database behind conn and fills it, in one
// transaction: after an error there is nothing. conn needs CREATE on schema
// public.
func Load(ctx context.Context, conn *pgx.Conn, o Options) error {
	s, err := newStore(o)
	if err != nil {
		return err
	}
	empty, keys := schemaParts()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("loading clips: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if err := exec(ctx, tx, `SET LOCAL maintenance_work_mem = '128MB'`, empty); err != nil {
		return err
	}
	for _, t := range tables {
		if err := s.copyTable(ctx, tx, t, o.Progress); err != nil {
			return fmt.Errorf("loading clips, table %s: %w", t.name, err)
		}
	}
	if err := exec(ctx, tx, keys, `ANALYZE countries, users, devices, signins, videos, views, messages, orders`); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("loading clips: %w", err)
	}
	return nil
}

func exec(ctx context.Context, tx pgx.Tx, sql ...string) error {
	for _, q := range sql {
		// The simple protocol takes several statements at once.
		if _, err := tx.Conn().PgConn().Exec(ctx, q).ReadAll(); err != nil {
			var pe *pgconn.PgError
			if errors.As(err, &pe) && pe.Code == "42P07" { // duplicate_table
				return ErrLoaded
			}
			return fmt.Errorf("loading clips: %w", err)
		}
	}
	return nil
}

func (s *store) copyTable(ctx context.Context, tx pgx.Tx, t table, progress func(string, int64, int64)) error {
	r := newReader(s, t)
	if progress != nil {
		progress(t.name, 0, r.total)
		r.progress = func(done int64) { progress(t.name, done, r.total) }
	}
	// FREEZE: made in this transaction, so the rows need no vacuum before an
	// index-only scan may trust the visibility map.
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, r, "COPY public."+t.name+" FROM STDIN WITH (FREEZE)")
	if err != nil {
		return err
	}
	if tag.RowsAffected() != r.total {
		return fmt.Errorf("%d rows arrived, %d were promised", tag.RowsAffected(), r.total)
	}
	if progress != nil {
		progress(t.name, r.total, r.total)
	}
	return nil
}

func (o Options) users() (int, error) {
	scale := o.Scale
	if scale == 0 {
		scale = 1
	}
	// 20 million users; their ids are kept in memory.
	if math.IsNaN(scale) || scale < 0 || scale > 100 {
		return 0, fmt.Errorf("scale %v is not between 0 and 100", o.Scale)
	}
	return max(minUsers, int(math.Round(scale*UsersAtScale1))), nil
}

// Person is a user whom stories and tests call by name.
type Person struct {
	ID      int64
	Handle  string
	Name    string
	Email   string
	Country string // ISO 3166-1 alpha-2
}

// CaseUser is the user of the support case, a resident of zone eu. Her id is
// divisible by 1 to 10, so she lives at the zone's first site of up to ten; in the
// demo that is dublin-1.
func CaseUser() Person { return person(caseUserID) }

// Journalist reports on the platform; its internal audit would like to see her
// sign-in addresses. She lives in zone eu, at the second of two sites or of three;
// in the demo that is dublin-2.
func Journalist() Person { return person(journalistID) }

// Londoner has a support case too. He lives in zone eu, at the third of three
// sites; in the demo that is hamar.
func Londoner() Person { return person(londonerID) }

// NewYorker is the user of a support case in zone us.
func NewYorker() Person { return person(newYorkerID) }

func person(id int64) Person {
	u := newUser(id)
	return Person{ID: id, Handle: u.handle(), Name: u.fullName(), Email: u.email(), Country: u.country.code}
}
