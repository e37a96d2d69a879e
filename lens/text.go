package lens

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/trefoil-dev/trefoil/catalog"
)

// Write prints the plan for people: what PUBLIC would lose, what each lens
// shows with the types before and after, what stays outside, what is wrong. sql
// adds the statements.
func (p *Plan) Write(w io.Writer, sql bool) error {
	t := &text{w: tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)}
	t.line("dataset %s in database %s, PostgreSQL %s", p.Dataset, p.Database, p.Version)
	t.list("problems: nothing can be applied", p.Problems)
	t.list("changed since it was applied", p.Drift)
	p.fence(t)
	for _, name := range Names() {
		if Find(p.Lenses, name, Case) != nil {
			p.lens(t, name)
		}
	}
	t.list("in the store and in no lens", append(append([]string(nil), p.Report.UnclassifiedTables...), p.Report.UnclassifiedColumns...))
	t.list("no index begins with these columns, so case look-ups read whole tables", p.Report.MissingIndexes)
	t.list("to know", p.Warnings)
	t.list("go with their last session", p.Old)
	switch {
	case len(p.Problems) > 0:
	case p.Empty():
		t.line("\nnothing to do")
	default:
		t.line("\n%d statements to apply", len(p.Steps))
	}
	if sql {
		section := ""
		for _, s := range p.Steps {
			if s.Section != section {
				section = s.Section
				t.line("\n-- %s", section)
			}
			t.line("%s;", strings.ReplaceAll(s.SQL, "\t", "  "))
		}
	}
	if t.err != nil {
		return t.err
	}
	return t.w.Flush()
}

// fence prints what PUBLIC holds, with the long list of built-in functions on a
// line of its own.
func (p *Plan) fence(t *text) {
	if len(p.Fence) == 0 {
		t.line("\nfence: stands; PUBLIC holds nothing a new role could reach")
		return
	}
	t.line("\nfence: PUBLIC holds what follows; trefoil_public and every existing role get it instead")
	builtin := 0
	for _, h := range p.Fence {
		if h.Kind == "function" && strings.HasPrefix(h.Target, "ROUTINE pg_catalog.") {
			builtin++
			continue
		}
		note := ""
		if h.Kind == "definer function" && h.Reachable {
			note = "\t(runs with its owner's rights)"
		}
		t.line("  %s%s", h, note)
	}
	if builtin > 0 {
		t.line("  %d functions of pg_catalog about other sessions, sizes, large objects, locks and notifications: EXECUTE", builtin)
	}
}

// lens prints what one lens shows in case, and where bulk differs.
func (p *Plan) lens(t *text, name string) {
	t.line("")
	for i, c := range p.Lenses {
		if c.Lens == name {
			t.line("lens %s/%s, schema %s: %s", c.Lens, c.Scope, c.Schema, p.State[i])
		}
	}
	one, all := Find(p.Lenses, name, Case), Find(p.Lenses, name, Bulk)
	for i, v := range one.Views {
		t.line("  %s: %s", v.Table, whichRows(v.Kind))
		for k, col := range v.Columns {
			t.line("    %s\t%s\t%s/%s\t%s", col.Name, col.Before, col.Category, shownAs(col, all.Views[i].Columns[k]), changed(col, all.Views[i].Columns[k]))
		}
	}
}

func whichRows(k catalog.Kind) string {
	switch k {
	case catalog.Reference:
		return "all rows; no personal data"
	case catalog.Subject:
		return "the subjects of the grant; in bulk all rows of this store"
	case catalog.Between:
		return "rows that name a subject of the grant; in bulk all rows of this store"
	}
	return "rows of the subjects of the grant; in bulk all rows of this store"
}

func shownAs(c, bulk Column) string {
	s := string(c.Mask)
	if bulk.Mask != c.Mask {
		s += ", in bulk " + string(bulk.Mask)
	}
	if c.Minor != c.Mask {
		s += ", minors " + string(c.Minor)
	}
	return s
}

func changed(c, bulk Column) string {
	switch {
	case c.Before == c.After:
		return ""
	case bulk.After != c.After:
		return "shown as " + c.After + ", in bulk as " + bulk.After
	}
	return "shown as " + c.After
}

// text writes lines until the first error.
type text struct {
	w   *tabwriter.Writer
	err error
}

func (t *text) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *text) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.line("\n%s:", title)
	for _, i := range items {
		t.line("  %s", i)
	}
}
