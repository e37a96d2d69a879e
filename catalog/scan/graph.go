package scan

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/catalog"
)

// proposal is how a table hangs on the subject. Without a kind it is left
// unclassified.
type proposal struct {
	kind  catalog.Kind
	why   string
	ask   bool // a person is to confirm it
	depth int  // steps to the subject
	paths []*fk
	via   *table   // Via: whose rows point here, by paths[0]
	more  []string // other ways to the subject, a sentence each
	out   string   // why it is left unclassified
}

// auditing are columns that name who touched a row, and not whose it is.
const auditing = "createdby updatedby modifiedby deletedby approvedby reviewedby invitedby changedby editedby createdbyid updatedbyid modifiedbyid deletedbyid approvedbyid reviewedbyid invitedbyid changedbyid editedbyid"

// paths are the references of a table that a catalogue can say, without those
// to itself.
func (d *Draft) pathsOf(t *table) []*fk {
	var list []*fk
	for _, f := range t.fks {
		if p := d.schema.byName[f.parent]; !f.foreign && p != nil && p != t && p.usable() && sayable(f.columns) && sayable(f.parentColumns) {
			list = append(list, f)
		}
	}
	return list
}

// down gives a kind to every table from which references lead to the subject,
// the nearest first.
func (d *Draft) down() {
	d.subject.kind, d.subject.why = catalog.Subject, "its rows are the data subjects"
	for depth := 1; ; depth++ {
		var found []*table
		for _, t := range d.schema.tables {
			if t.proposal.kind != 0 || t.out != "" || !t.usable() {
				continue
			}
			var to []*fk
			for _, f := range d.pathsOf(t) {
				if p := d.schema.byName[f.parent]; p.proposal.kind != 0 && p.depth == depth-1 {
					to = append(to, f)
				}
			}
			if n := parse(t.name); len(to) > 0 && depth > 1 && (n.has(subjects) != "" || n.has(staff) != "") && t.persons() {
				t.out = d.otherPeople(t) + "; if its rows are the person's, write child: " + arrow(to[0])
			} else if len(to) > 0 {
				found = append(found, t)
				t.proposal = hang(to, depth)
			}
		}
		for _, t := range found { // not before all of them are known: a step is one step
			t.proposal.kind = catalog.Child
			if len(t.proposal.paths) > 1 {
				t.proposal.kind = catalog.Between
			}
		}
		if len(found) == 0 {
			return
		}
	}
}

// hang chooses among references that lead one step nearer to the subject.
func hang(to []*fk, depth int) proposal {
	p := proposal{depth: depth}
	slices.SortStableFunc(to, func(a, b *fk) int { return badness(a) - badness(b) })
	p.paths = to[:1]
	if depth == 1 {
		// Rows between several persons name each in a column of its own.
		for _, f := range to[1:] {
			switch {
			case overlaps(p.paths, f):
			case audits(f):
				p.more = append(p.more, fmt.Sprintf("%s names another person, by its name one who touched the row; if it is theirs as well, write between", shown(f.columns...)))
			default:
				p.paths = append(p.paths[:len(p.paths):len(p.paths)], f)
			}
		}
	} else {
		for _, f := range to[1:] {
			p.more = append(p.more, fmt.Sprintf("%s is as near to the subject; if its rows are also those of another person, write between", arrow(f)))
			p.ask = true
		}
	}
	p.why = by(p.paths[0])
	p.ask = p.ask || p.paths[0].implied != "" || audits(p.paths[0])
	if len(p.paths) > 1 {
		p.why = "it names a person in each of " + plural(len(p.paths), "column", "columns")
		p.ask = true
	}
	return p
}

// badness orders references: declared before guessed, about whose a row is
// before who touched it, always set before sometimes.
func badness(f *fk) (n int) {
	if f.implied != "" {
		n += 4
	}
	if audits(f) {
		n += 2
	}
	if !f.notNull {
		n++
	}
	return n
}

func audits(f *fk) bool { return len(f.columns) == 1 && parse(f.columns[0]).has(auditing) != "" }

// overlaps tells whether a reference begins at a column that another one uses.
func overlaps(paths []*fk, f *fk) bool {
	return slices.ContainsFunc(paths, func(p *fk) bool {
		return slices.ContainsFunc(p.columns, func(c string) bool { return slices.Contains(f.columns, c) })
	})
}

func by(f *fk) string {
	switch {
	case f.implied != "":
		return f.implied
	case f.parts:
		return "by a foreign key of its partitions"
	}
	return "by a foreign key"
}

// compare asks, for tables with a direct and an indirect way to the subject,
// whether both lead to the same person.
func (d *Draft) compare(ctx context.Context, conn *pgx.Conn) error {
	for _, t := range d.schema.tables {
		if t.proposal.kind != catalog.Child || t.depth != 1 {
			continue
		}
		direct := t.paths[0]
		for _, f := range d.pathsOf(t) {
			p := d.schema.byName[f.parent]
			if p.proposal.kind != catalog.Child || p.depth != 1 || p == t || !slices.Equal(p.paths[0].parentColumns, direct.parentColumns) || overlaps(t.paths, f) {
				continue
			}
			of, same, err := t.agree(ctx, conn, d.schema.name, direct, f, p.paths[0], d.options.Timeout)
			if err != nil {
				return err
			}
			switch {
			case of < few:
				t.more = append(t.more, fmt.Sprintf("%s leads to a person too; if to another, and the row is theirs as well, write between", arrow(f)))
			case same*100 >= of*98:
				t.more = append(t.more, fmt.Sprintf("%s leads to the same person in nearly all sampled rows", arrow(f)))
			default:
				t.more = append(t.more, fmt.Sprintf("%s often leads to another person; if the row is theirs as well, write between", arrow(f)))
				t.ask = true
			}
		}
	}
	return nil
}

// up gives a kind to what the tables of the subject point at: via when it holds
// something personal, reference when it does not, and none when it is of people
// of another kind or shared by too many.
func (d *Draft) up() {
	for again := true; again; {
		again = false
		for _, t := range d.nearest() {
			for _, f := range d.pathsOf(t) {
				p := d.schema.byName[f.parent]
				if p.proposal.kind != 0 || p.out != "" {
					continue
				}
				p.proposal = d.above(t, p, f)
				again = true
			}
		}
		for _, t := range d.schema.tables {
			if !again && t.proposal.kind == 0 && t.out == "" && d.joins(t) {
				t.proposal = proposal{kind: catalog.Reference, why: "it joins tables of nobody's", ask: true}
				again = true
			}
		}
	}
	for _, t := range d.schema.tables {
		if t.proposal.kind == 0 && t.out == "" {
			t.out = d.apart(t)
		}
		for _, f := range d.pathsOf(t) {
			if p := d.schema.byName[f.parent]; t.proposal.kind != 0 && p.proposal.kind == catalog.Via && p.paths[0] != f {
				p.more = append(p.more, viaArrow(t, f)+" reaches it too; a via has one path, so rows that only this one reaches are in no case")
			}
		}
	}
}

// joins tells whether a table only joins others: one of them is a reference
// table, none holds anything personal, and nobody wrote anything into it.
func (d *Draft) joins(t *table) bool {
	to := d.pathsOf(t)
	reference := false
	for _, f := range to {
		p := d.schema.byName[f.parent]
		reference = reference || p.proposal.kind == catalog.Reference
		if p.proposal.kind != catalog.Reference && (p.proposal.kind != 0 || p.out != "" || len(p.strong()) > 0) {
			return false
		}
	}
	return reference && len(to) > 1 && len(to) == len(t.fks) && !slices.ContainsFunc(t.columns, func(c *column) bool {
		return t.refers(c.name) == nil && c.family != "int" && c.family != "time" && c.family != "date"
	})
}

// above proposes what a table p is that t points at by f.
func (d *Draft) above(t, p *table, f *fk) proposal {
	has := p.strong()
	one := t == d.subject && p.rows >= t.rows/2 // a row for each subject or two
	switch {
	case p.persons() && !one:
		return proposal{out: d.otherPeople(p)}
	case len(has) == 0:
		shared := p.rows >= 0 && (p.rows <= 300 || p.rows*10 <= t.rows)
		return proposal{kind: catalog.Reference, why: shown(t.name) + " points at it and it holds nothing personal that could be told", ask: !shared || p.sampled == 0}
	case t.proposal.kind == catalog.Reference:
		return proposal{out: "reference table " + shown(t.name) + " points at it, and it has columns that look like " + strings.Join(has, ", ")}
	case p.rows >= 0 && t.rows > 0 && p.rows < t.rows/5:
		return proposal{out: "many rows of " + shown(t.name) + " share one of its rows, and it has columns that look like " + strings.Join(has, ", ") +
			"; if they are the person's, write via: " + viaArrow(t, f)}
	}
	return proposal{kind: catalog.Via, paths: []*fk{f}, via: t, depth: t.depth + 1, ask: true,
		why: shown(t.name) + " points at it, and it has columns that look like " + strings.Join(has, ", ")}
}

// nearest lists the tables that have a kind, the subject first and reference
// tables last.
func (d *Draft) nearest() []*table {
	var list []*table
	for _, t := range d.schema.tables {
		if t.proposal.kind != 0 {
			list = append(list, t)
		}
	}
	far := func(t *table) int {
		if t.proposal.kind == catalog.Reference {
			return math.MaxInt
		}
		return t.depth
	}
	slices.SortStableFunc(list, func(a, b *table) int { return cmp.Compare(far(a), far(b)) })
	return list
}

func (d *Draft) otherPeople(p *table) string {
	text := "looks like people of another kind (" + strings.Join(p.strong(), ", ") + "); a dataset has one kind"
	if key := d.subjectKey(p); key != "" {
		text += ": draft another with --subject " + shown(p.name) + "." + shown(key)
	}
	return text
}

// apart says why a table that nothing joins to the subject stays out.
func (d *Draft) apart(t *table) string {
	switch {
	case t.relkind == "v" || t.relkind == "m":
		return "a view; classify the tables it reads"
	case t.relkind == "f":
		return "a foreign table; its rows lie in another store"
	case t.ext:
		return "it belongs to an extension"
	case !t.usable():
		return "a catalogue cannot say its name, or it has no column"
	case t.persons():
		return d.otherPeople(t)
	}
	for _, f := range d.pathsOf(t) {
		if p := d.schema.byName[f.parent]; p.proposal.kind == catalog.Via {
			return "it points at " + shown(p.name) + ", but whose its rows are can't be told; if they are the person's, write child: " + arrow(f)
		}
	}
	text := "nothing joins it to " + shown(d.subject.name)
	if has := t.strong(); len(has) > 0 {
		text += ", and it has columns that look like " + strings.Join(has, ", ")
	}
	for _, f := range t.fks {
		if f.foreign {
			text += "; it points at " + shown(f.parent) + ", outside of the schema"
		}
	}
	return text
}
