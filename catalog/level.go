package catalog

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Level is how much of a row is shown. Each shows no more of any column than
// the one before it.
type Level uint8

// The levels. The first three are lenses of the same names.
const (
	Clear        Level = iota // as it is
	Masked                    // the column's mask
	Pseudonymous              // no key of a person, and nothing that names or places one
	Least                     // keys of rows and what is not personal: all that is left of a minor in Pseudonymous
)

// Lenses are the levels that exist as lenses, from most to least revealing.
func Lenses() []Level { return []Level{Clear, Masked, Pseudonymous} }

// String gives the lens's name.
func (l Level) String() string {
	return [...]string{"clear", "masked", "pseudonymous", "least"}[l]
}

func names(levels []Level) []string {
	var list []string
	for _, l := range levels {
		list = append(list, l.String())
	}
	return list
}

// hiddenFrom says from which level on a category is hidden, whatever its mask.
// Categories that are not here are never hidden by a level alone.
var hiddenFrom = map[Category]Level{
	Identity:   Pseudonymous,
	Contact:    Pseudonymous,
	Network:    Pseudonymous,
	Location:   Pseudonymous,
	Content:    Pseudonymous,
	Special:    Pseudonymous,
	Credential: Clear,
	Birth:      Least,
	Residence:  Least,
	Device:     Least,
	Behaviour:  Least,
	Financial:  Least,
	Minor:      Least,
}

// narrow are the categories that Clear shows as Masked does unless the column
// asks for more in so many words.
var narrow = []Category{Special, Minor}

// Shown gives the mask under which a level shows the column. For SubjectKey it is
// Pseudonym at every level; whose keys are replaced at which is the lens's matter.
func (c Column) Shown(l Level) Mask {
	from, ok := hiddenFrom[c.Category]
	switch {
	case c.Category == SubjectKey:
		return c.Mask
	case ok && l >= from:
		return Hide
	case l == Clear && c.Clear:
		return Keep
	}
	return c.Mask
}

// In tells whether stores have a lens of the dataset.
func (d *Dataset) In(l Level) bool { return d.Lenses == nil || slices.Contains(d.Lenses, l) }

// In tells whether the table exists in a lens.
func (t *Table) In(l Level) bool { return t.Lenses == nil || slices.Contains(t.Lenses, l) }

// MinorTest tells which subjects are minors, whose rows every lens shows one
// level narrower: those for whom Column is true or, with Under, a date less than
// Under years ago. Unknown counts as a minor.
type MinorTest struct {
	Column string // of the subject table; empty when the dataset has no such test
	Under  int    // years; 0 when Column is a boolean
}

var underAge = regexp.MustCompile(`^(.*\S)\s+under\s+([0-9]{1,2})$`)

// minorTest reads "column" or "column under 18".
func minorTest(s string) MinorTest {
	if m := underAge.FindStringSubmatch(s); m != nil {
		years, err := strconv.Atoi(m[2])
		if err == nil {
			return MinorTest{m[1], years}
		}
	}
	return MinorTest{Column: strings.TrimSpace(s)}
}

// checkMinor checks what minorTest read against the columns of the table.
func (p *parser) checkMinor(t *Table) {
	if t.Minor.Column == "" {
		return
	}
	line := p.lines[t]
	c, ok := t.Column(t.Minor.Column)
	switch {
	case t.Kind != Subject:
		p.fault(line, "table %s is no subject table; minor belongs to that", t.Name)
	case !ok:
		p.fault(line, "the minor test of table %s names column %s, which is not listed", t.Name, quote(t.Minor.Column))
	case t.Minor.Under > 0 && c.Category != Birth:
		p.fault(line, "the minor test of table %s: column %s must have category birth to have an age", t.Name, c.Name)
	case t.Minor.Under == 0 && c.Category != Minor:
		p.fault(line, "the minor test of table %s: column %s must have category minor; of a date of birth write: minor: %s under 18", t.Name, c.Name, c.Name)
	}
}
