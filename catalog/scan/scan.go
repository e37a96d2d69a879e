package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Options choose what is scanned and what the draft is called. The zero value
// scans schema public and takes names from the database.
type Options struct {
	Schema  string        // of the tables; "public" when empty
	Subject string        // "table" or "table.column": not the best candidate but this one
	Dataset string        // its name in the draft; made from the database's when empty
	Zone    string        // names in the draft; "eu", and "site-1" for the site and its store
	Site    string        //
	Timeout time.Duration // of one statement; 10 s when zero

	// Progress, if any, is called before each table is looked at, and once at the
	// end with done equal to total.
	Progress func(done, total int)
}

// Scan drafts a catalogue of one schema of the database behind conn, which
// nobody else may use meanwhile. It returns a *fault.Error when there is nothing
// to draft from, ctx.Err() when ctx ends, and what broke the connection.
func Scan(ctx context.Context, conn *pgx.Conn, o Options) (*Draft, error) {
	if o.Schema == "" {
		o.Schema = "public"
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	var s *schema
	err := readOnly(ctx, conn, o.Timeout, func(tx pgx.Tx) (err error) {
		s, err = readSchema(ctx, tx, o.Schema)
		return err
	})
	if err != nil {
		note, err := refusal(ctx, err)
		if err == nil {
			err = fault.New(fault.StoreAway, "the tables of the store can't be listed: %s", note)
		}
		return nil, err
	}
	if err := s.sample(ctx, conn, o); err != nil {
		return nil, err
	}
	if err := s.implied(ctx, conn, o.Timeout); err != nil {
		return nil, err
	}
	d := &Draft{schema: s, options: o}
	if err := d.chooseSubject(); err != nil {
		return nil, err
	}
	d.down()
	if err := d.compare(ctx, conn); err != nil {
		return nil, err
	}
	d.findHome()
	d.up()
	d.classify()
	d.name()
	return d, nil
}

// sample looks at every table that can be classified.
func (s *schema) sample(ctx context.Context, conn *pgx.Conn, o Options) error {
	var read []*table
	for _, t := range s.tables {
		if t.usable() {
			read = append(read, t)
		}
	}
	if len(read) == 0 {
		f := fault.New(fault.NotFound, "schema %q of database %q holds no table", s.name, s.database)
		if len(s.others) > 0 {
			f = f.WithHint("there are tables in %s: trefoil catalog scan --schema %s …", shown(s.others...), shown(s.others[0]))
		}
		return f
	}
	for i, t := range read {
		if o.Progress != nil {
			o.Progress(i, len(read))
		}
		if err := t.sample(ctx, conn, s.name, o.Timeout); err != nil {
			return err
		}
		for _, c := range t.columns {
			c.guess = c.evidence()
		}
	}
	if o.Progress != nil {
		o.Progress(len(read), len(read))
	}
	return nil
}

// Draft is a proposed catalogue.
type Draft struct {
	schema     *schema
	options    Options
	subject    *table
	key        string
	candidates []*candidateSubject // best first
	home       *homePath           // nil: none was found
	homes      []*homePath         // the others
}

// Subject is the table and column whose values name the data subjects.
func (d *Draft) Subject() (table, column string) { return d.subject.name, d.key }

// Dataset is the name the draft gives the dataset.
func (d *Draft) Dataset() string { return d.options.Dataset }

// Site is the name the draft gives the site.
func (d *Draft) Site() string { return d.options.Site }

// Counts are how much there is in a draft, and how much of it is left to a person.
type Counts struct {
	Tables, Columns     int // proposed
	NoTables, NoColumns int // left unclassified; columns of the proposed tables alone
	Questions           int // marked CONFIRM in YAML
	NotSampled          int // tables that the store would not show
	Views               int // views, materialised views and foreign tables
}

// name makes names for what has none.
func (d *Draft) name() {
	if d.options.Zone == "" {
		d.options.Zone = "eu"
	}
	if d.options.Site == "" {
		d.options.Site = "site-1"
	}
	if d.options.Dataset != "" {
		return
	}
	n := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(d.schema.database))
	n = strings.TrimLeft(n, "_0123456789")
	if n = n[:min(24, len(n))]; n == "" {
		n = "dataset"
	}
	d.options.Dataset = n
}

// usable tells whether a table can be in a catalogue.
func (t *table) usable() bool {
	return (t.relkind == "r" || t.relkind == "p") && !t.ext && legal(t.name) && len(t.columns) > 0
}

// legal tells whether a catalogue can say the name: see package catalog.
func legal(name string) bool {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f || r == '.' || r == '>' || r == '\uFFFD' }
	return name != "" && strings.TrimSpace(name) == name && len(name) <= 63 && !strings.ContainsFunc(name, bad)
}

// sayable tells whether a path can name all of the columns.
func sayable(columns []string) bool {
	return !slices.ContainsFunc(columns, func(c string) bool {
		return !legal(c) || strings.Contains(c, ",") || strings.HasPrefix(c, "(") || strings.HasSuffix(c, ")")
	})
}

func plural(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
