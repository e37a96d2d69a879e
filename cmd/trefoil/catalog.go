package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trefoil-dev/trefoil/catalog/scan"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

type catalogCmd struct {
	Scan scanCmd `cmd:"" help:"Draft a catalogue from a live database, for a person to confirm."`
}

type scanCmd struct {
	Store   string        `arg:"" help:"libpq connection string of a role that may read every table, without password: give that in PGPASSWORD or a pgpass file."`
	Schema  string        `default:"public" help:"Schema of the tables."`
	Subject string        `placeholder:"TABLE.COLUMN" help:"Table, or table and key, of the data subjects; without it the best candidate."`
	Dataset string        `placeholder:"NAME" help:"Name of the dataset; without it that of the database."`
	Zone    string        `default:"eu" help:"Name of its zone."`
	Site    string        `default:"site-1" help:"Name of its site and store."`
	Timeout time.Duration `default:"10s" help:"Of a single statement; a table that takes longer is drafted without its values."`
}

func (c *scanCmd) Run(e *env) error {
	conn, err := connectStore(e.ctx, "trefoil catalog scan", c.Store)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	step := 0
	d, err := scan.Scan(e.ctx, conn, scan.Options{Schema: c.Schema, Subject: c.Subject, Dataset: c.Dataset, Zone: c.Zone, Site: c.Site, Timeout: c.Timeout,
		Progress: func(done, total int) {
			if tenth := done * 10 / total; total >= 10 && tenth > step {
				step = tenth
				fmt.Fprintf(e.stderr, "looked at %d of %s\n", done, count(total, "table", "tables"))
			}
		}})
	if e.ctx.Err() != nil {
		return e.ctx.Err()
	}
	var f *fault.Error
	if err != nil && !errors.As(err, &f) {
		return fault.New(fault.StoreAway, "%s", err)
	}
	if err != nil {
		return err
	}
	if _, err := e.stdout.Write(d.YAML()); err != nil {
		return err
	}
	n := d.Counts()
	table, column := d.Subject()
	fmt.Fprintf(e.stderr, "the people are taken to be %s.%s; another choice: --subject TABLE.COLUMN\n", table, column)
	fmt.Fprintf(e.stderr, "proposed: %s of %s", count(n.Columns, "column", "columns"), count(n.Tables, "table", "tables"))
	if left := n.NoColumns + n.NoTables + n.Views; left > 0 {
		fmt.Fprintf(e.stderr, "; unclassified: %s of these, %s, %s", count(n.NoColumns, "column", "columns"),
			count(n.NoTables, "other table", "other tables"), count(n.Views, "view", "views"))
	}
	fmt.Fprintln(e.stderr)
	if n.NotSampled > 0 {
		fmt.Fprintf(e.stderr, "warning: of %s only names and types were looked at; the draft says why\n", count(n.NotSampled, "table", "tables"))
	}
	fmt.Fprintf(e.stderr, "next: save it as rules/catalog.yaml, decide what is marked CONFIRM in %s, then\n", count(n.Questions, "line", "lines"))
	for _, command := range [][]string{
		{"trefoil", "check"},
		{"trefoil", "check", "--dataset", d.Dataset(), "--against-store", c.Store},
		{"trefoil", "lens", "plan", d.Dataset(), "--site", d.Site(), "--admin", c.Store},
	} {
		fmt.Fprintf(e.stderr, "  %s\n", shown(command))
	}
	return nil
}
