package scan

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/trefoil-dev/trefoil/catalog"
)

// confirm marks what a person is to decide. A catalogue with zones that nobody
// filled in does not pass 'trefoil check'.
const confirm = "CONFIRM"

// YAML writes the draft: a catalogue once its questions are answered. Beyond
// what a catalogue may have in bytes, reasons are left out where nothing is asked.
func (d *Draft) YAML() []byte {
	w := &writer{}
	if d.write(w); w.Len() > catalog.MaxBytes*9/10 {
		w = &writer{terse: true}
		d.write(w)
	}
	return []byte(w.String())
}

// Counts counts the draft.
func (d *Draft) Counts() Counts {
	n := Counts{Questions: strings.Count(string(d.YAML()), "# "+confirm)}
	for _, t := range d.schema.tables {
		switch {
		case t.relkind != "r" && t.relkind != "p":
			n.Views++
			continue
		case t.proposal.kind == 0:
			n.NoTables++
			continue
		}
		n.Tables++
		if t.note != "" {
			n.NotSampled++
		}
		for _, c := range t.columns {
			if c.category == "" {
				n.NoColumns++
			} else {
				n.Columns++
			}
		}
	}
	return n
}

type writer struct {
	strings.Builder
	terse bool
}

// line writes one line, whatever is in the names that it quotes: YAML knows more
// line ends than one.
func (w *writer) line(indent int, format string, args ...any) {
	w.WriteString(strings.Repeat("  ", indent))
	w.WriteString(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, fmt.Sprintf(format, args...)))
	w.WriteByte('\n')
}

// because gives the comment of a proposal.
func (w *writer) because(why string, ask bool) string {
	switch {
	case ask:
		return "  # " + confirm + ": " + why
	case w.terse:
		return ""
	}
	return "  # " + why
}

func (d *Draft) write(w *writer) {
	w.line(0, "# A draft of a catalogue, from schema %s of database %s: see docs/catalogue.md.", shown(d.schema.name), shown(d.schema.database))
	w.line(0, "# Its reasons are names, types, keys and what a sample of values looks like. Decide what")
	w.line(0, "# is marked %s and take the mark away; what is commented out exists in no lens.", confirm)
	w.line(0, "")
	w.line(0, "purposes: [support]  # %s: what access may be for; these words are published in the log", confirm)
	w.line(0, "")
	w.line(0, "zones:")
	w.line(1, "%s:", scalar(d.options.Zone))
	w.line(2, "residents: []  # %s: the countries whose residents' data belongs here, such as [IE, NO]", confirm)
	w.line(2, "authorities: []  # %s: who speaks for which of them, such as [{ name: NAME, countries: [IE] }]", confirm)
	w.line(2, "sites:")
	w.line(3, `%s: { country: "??", store: %s }  # %s: where the machine stands, such as IE`, scalar(d.options.Site), scalar(d.options.Site), confirm)
	w.line(0, "")
	w.line(0, "datasets:")
	w.line(1, "%s:", scalar(d.options.Dataset))
	w.line(2, "zone: %s", scalar(d.options.Zone))
	w.line(2, "sites: [%s]", scalar(d.options.Site))
	if d.schema.name != "public" {
		w.line(2, "schema: %s", scalar(d.schema.name))
	}
	w.line(2, "tables:")
	for i, t := range d.order() {
		if i > 0 {
			w.line(0, "")
		}
		d.table(w, t)
	}
	d.leftOut(w)
}

// order is the subject, then what hangs on it by the number of steps, then what
// it points at, then the reference tables.
func (d *Draft) order() []*table {
	var list []*table
	for _, t := range d.schema.tables {
		if t.proposal.kind != 0 {
			list = append(list, t)
		}
	}
	rank := func(t *table) int {
		switch t.proposal.kind {
		case catalog.Via:
			return 1000 + t.depth
		case catalog.Reference:
			return math.MaxInt
		}
		return t.depth
	}
	slices.SortStableFunc(list, func(a, b *table) int {
		if rank(a) < rank(b) {
			return -1
		}
		return min(1, rank(a)-rank(b))
	})
	return list
}

func (d *Draft) table(w *writer, t *table) {
	w.line(3, "%s:%s", scalar(t.name), d.size(w, t))
	switch t.proposal.kind {
	case catalog.Subject:
		d.subjectLines(w)
	case catalog.Child:
		w.line(4, "child: %s%s", d.path(t.paths[0]), w.because(t.why, t.ask))
	case catalog.Between:
		var list []string
		for _, f := range t.paths {
			list = append(list, d.path(f))
		}
		w.line(4, "between: [%s]%s", strings.Join(list, ", "), w.because(t.why, t.ask))
	case catalog.Via:
		w.line(4, "via: %s%s", quoted(viaArrow(t.via, t.paths[0]), append(t.paths[0].columns, append(t.paths[0].parentColumns, t.via.name)...)), w.because(t.why, t.ask))
	case catalog.Reference:
		w.line(4, "reference: true%s", w.because(t.why, t.ask))
	}
	for _, m := range t.more {
		w.line(4, "# %s", m)
	}
	w.line(4, "columns:")
	for _, c := range t.columns {
		switch {
		case c.category != "":
			w.line(5, "%s: %s%s", scalar(c.name), c.words(), w.because(c.why, c.ask))
		case !w.terse:
			w.line(5, "# %s: unclassified, %s; %s", shown(c.name), c.typ, c.why)
		}
	}
}

// subjectLines write the subject table: candidates, home country, minors.
func (d *Draft) subjectLines(w *writer) {
	t := d.subject
	w.line(4, "subject: %s%s", scalar(d.key), w.because("its rows are the people; what was found:", true))
	for _, c := range d.candidates {
		mark := " "
		if c.t == t {
			mark = "*"
		}
		w.line(4, "#  %s%s.%s, %d points: %s", mark, shown(c.t.name), shown(c.key), c.points, c.why)
	}
	if h := d.home; h != nil {
		at := h.tables[len(h.tables)-1].name
		home := scalar(h.column.name)
		if len(h.steps) > 0 {
			home = quoted(at+"."+h.column.name, []string{at, h.column.name})
		}
		w.line(4, "home: %s%s", home, w.because("the home country, "+h.why, true))
	} else {
		w.line(4, "# %s: no home country was found; without home, residency cannot be told", confirm)
	}
	for _, h := range d.homes[:min(5, len(d.homes))] {
		w.line(4, "#   home could also be %s: %s", h, h.why)
	}
	for _, c := range t.columns {
		switch {
		case c.category == catalog.Birth && (c.family == "date" || c.family == "time") && !c.array:
			w.line(4, "# minor: %s under AGE  # if minors are to be shown less: the age that your law says", shown(c.name))
		case c.category == catalog.Minor && c.family == "boolean" && !c.array:
			w.line(4, "# minor: %s  # if minors are to be shown less", shown(c.name))
		}
	}
}

// size says roughly how large a table is, and why its values were not looked at.
func (d *Draft) size(w *writer, t *table) string {
	if w.terse {
		return ""
	}
	text := "  # "
	switch {
	case t.rows < few:
		text += "few rows"
	default:
		unit := math.Pow(10, math.Floor(math.Log10(t.rows)))
		text += "about " + strconv.FormatFloat(math.Round(t.rows/unit)*unit, 'f', -1, 64) + " rows"
	}
	if t.parts > 0 {
		text += " in " + plural(t.parts, "partition", "partitions")
	}
	if t.note != "" {
		text += "; no values were looked at: " + t.note
	}
	return text
}

// leftOut lists, as comments, the tables nothing is proposed for.
func (d *Draft) leftOut(w *writer) {
	var list []*table
	for _, t := range d.schema.tables {
		if t.proposal.kind == 0 {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		return
	}
	w.line(0, "")
	w.line(3, "# Unclassified, in no lens:")
	for _, t := range list {
		w.line(3, "#   %s: %s", shown(t.name), t.out)
	}
}

// words are the category, with its mask unless that is the category's own.
func (c *column) words() string {
	if c.category == catalog.SubjectKey || c.mask == catalog.DefaultMask(c.category) {
		return string(c.category)
	}
	return string(c.category) + "/" + string(c.mask)
}

// path writes a reference as the catalogue does.
func (d *Draft) path(f *fk) string {
	text := arrow(f)
	if f.parent == d.subject.name && len(f.parentColumns) == 1 && f.parentColumns[0] == d.key {
		text = columnsOf(f.columns) + " -> " + f.parent
	}
	return quoted(text, append(append([]string{f.parent}, f.columns...), f.parentColumns...))
}

func arrow(f *fk) string {
	return columnsOf(f.columns) + " -> " + f.parent + "." + columnsOf(f.parentColumns)
}

func viaArrow(from *table, f *fk) string {
	return from.name + "." + columnsOf(f.columns) + " -> " + columnsOf(f.parentColumns)
}

func columnsOf(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return "(" + strings.Join(list, ", ") + ")"
}

var (
	simple   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	unquoted = regexp.MustCompile(`^[\pL\pN_.-]+$`)
	reserved = regexp.MustCompile(`(?i)^(null|true|false|yes|no|on|off|y|n)$`)
)

// scalar writes a name so that YAML reads it as that name.
func scalar(name string) string {
	if simple.MatchString(name) && !reserved.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}

// quoted quotes a text when one of the names in it needs it, or several columns do.
func quoted(text string, names []string) string {
	if strings.Contains(text, "(") || slices.ContainsFunc(names, func(n string) bool { return scalar(n) != n }) {
		return strconv.Quote(text)
	}
	return text
}

// shown writes names into a comment or a sentence: odd ones quoted, and nothing
// that could end a line.
func shown(names ...string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = n
		if !unquoted.MatchString(n) {
			list[i] = strconv.Quote(n)
		}
	}
	return columnsOf(list)
}
