package catalog

import (
	"slices"
	"time"
)

// Catalog is one catalogue file, read and found consistent. It is immutable:
// callers may share it and must not write to it.
type Catalog struct {
	Name     string        // as given to Parse; appears in errors only
	Source   []byte        // the bytes that were read, for publication
	Digest   [32]byte      // SHA-256 of Source
	Purposes []string      // what access may be for; they are published in the leaves of the log
	Lapse    time.Duration // after which an open request can no longer be granted; 0: never
	Zones    []*Zone       // in the order of the file, like every list below
	Datasets []*Dataset
}

// Zone is an area of law whose residents' data stays at its own sites.
type Zone struct {
	Name        string
	Residents   []string // ISO 3166-1 alpha-2, whose data subjects live in the zone
	Authorities []Authority
	Sites       []*Site
}

// Authority is a supervisory authority, and the residents it speaks for from one
// day to another.
type Authority struct {
	Name      string
	Countries []string // a subset of the zone's residents
	From      int64    // µs UTC; the smallest int64 unless given
	Until     int64    // µs UTC, exclusive; the largest int64 unless given
}

// Site is a place with one store in it.
type Site struct {
	Name    string
	Country string // where the machine stands; need not be among the residents
	Store   string // the name by which a server's configuration knows the store
}

// Dataset is one schema of related tables about one kind of data subject.
type Dataset struct {
	Name        string
	Zone        *Zone
	Sites       []*Site
	Schema      string  // of the operator's tables; "public" unless given
	Lenses      []Level // that stores have of it; nil: all
	RowSecurity bool    // its lenses show only rows of the zone's residents, whoever else is in the store
	Tables      []*Table
}

// Kind says how a table hangs on the data subject.
type Kind uint8

// The kinds of table.
const (
	Subject   Kind = iota + 1 // one row is one data subject
	Child                     // one path to one subject
	Between                   // several subjects share a row, such as a message
	Via                       // reached from a table of the subject, such as an address
	Reference                 // no personal data
)

// String gives the key by which the file names the kind.
func (k Kind) String() string {
	return [...]string{"", "subject", "child", "between", "via", "reference"}[k]
}

// Table is one table of a dataset.
type Table struct {
	Name    string
	Kind    Kind
	Key     string    // Subject: the key column; otherwise empty
	Home    Home      // Subject: where the home country stands
	Minor   MinorTest // Subject: who is a minor
	Paths   []Path    // Child and Via: one; Between: two or more; otherwise none
	Lenses  []Level   // that have the table; nil: all
	Columns []Column
}

// Path is one step towards the subject. A row belongs to a subject when a row
// of Parent that belongs to it has ParentColumns equal to the row's Columns, of
// which there are as many. For Via the parent points at this table, otherwise
// this table points at it: the condition is the same.
type Path struct {
	Columns       []string
	Parent        string
	ParentColumns []string
}

// Equal tells whether two paths say the same.
func (p Path) Equal(o Path) bool {
	return p.Parent == o.Parent && slices.Equal(p.Columns, o.Columns) && slices.Equal(p.ParentColumns, o.ParentColumns)
}

// Column is a classified column.
type Column struct {
	Name     string
	Category Category
	Mask     Mask // what the masked lens shows; always set
	Clear    bool // the clear lens shows it as it is, and not as the masked one does
}

// Zone finds a zone by name, or gives nil.
func (c *Catalog) Zone(name string) *Zone {
	return find(c.Zones, func(z *Zone) bool { return z.Name == name })
}

// Dataset finds a dataset by name, or gives nil.
func (c *Catalog) Dataset(name string) *Dataset {
	return find(c.Datasets, func(d *Dataset) bool { return d.Name == name })
}

// Authority gives the authority that speaks for residents of a country at a moment
// (µs UTC), or "" when none does.
func (z *Zone) Authority(country string, now int64) string {
	for _, a := range z.Authorities {
		if a.From <= now && now < a.Until && slices.Contains(a.Countries, country) {
			return a.Name
		}
	}
	return ""
}

// AuthoritiesAt gives, sorted, the authorities that speak for the zone's residents
// at a moment (µs UTC); "" is among them when nobody speaks for some.
func (z *Zone) AuthoritiesAt(now int64) []string {
	var names []string
	for _, country := range z.Residents {
		names = append(names, z.Authority(country, now))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ZoneOf finds the zone that a site lies in, or gives nil.
func (c *Catalog) ZoneOf(site string) *Zone {
	return find(c.Zones, func(z *Zone) bool { return z.Site(site) != nil })
}

// Site finds a site of the zone by name, or gives nil.
func (z *Zone) Site(name string) *Site {
	return find(z.Sites, func(s *Site) bool { return s.Name == name })
}

// Site finds a site that holds the dataset by name, or gives nil.
func (d *Dataset) Site(name string) *Site {
	return find(d.Sites, func(s *Site) bool { return s.Name == name })
}

// Table finds a table by name, or gives nil.
func (d *Dataset) Table(name string) *Table {
	return find(d.Tables, func(t *Table) bool { return t.Name == name })
}

// Subject is the one table of kind Subject.
func (d *Dataset) Subject() *Table {
	return find(d.Tables, func(t *Table) bool { return t.Kind == Subject })
}

// Column finds a classified column by name.
func (t *Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return Column{}, false
}

// NamesSubject tells whether the column is the key of a data subject: the
// subject's own key, or a step of a path that ends at it.
func (t *Table) NamesSubject(column string) bool {
	c, ok := t.Column(column)
	return ok && c.Category == SubjectKey
}

// Categories lists, sorted, every category that some column of the dataset has,
// and Minor when the catalogue says how to tell minors.
func (d *Dataset) Categories() []Category {
	var all []Category
	if d.Subject().Minor.Column != "" {
		all = append(all, Minor)
	}
	for _, t := range d.Tables {
		for _, c := range t.Columns {
			all = append(all, c.Category)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func find[T any](list []*T, is func(*T) bool) *T {
	for _, e := range list {
		if is(e) {
			return e
		}
	}
	return nil
}
