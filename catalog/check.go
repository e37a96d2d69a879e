package catalog

import (
	"slices"
	"strings"
)

// checkZone checks a zone, and its authorities against its residents.
func (p *parser) checkZone(z *Zone) {
	line := p.lines[z]
	if len(z.Residents) == 0 {
		p.fault(line, "zone %s has no residents", z.Name)
	}
	if len(z.Sites) == 0 {
		p.fault(line, "zone %s has no site", z.Name)
	}
	for _, a := range z.Authorities {
		for _, c := range a.Countries {
			if !slices.Contains(z.Residents, c) {
				p.fault(line, "authority %s of zone %s speaks for %s, which is not among the zone's residents", quote(a.Name), z.Name, c)
			}
		}
	}
}

// crossCheck looks at what only the whole file can say.
func (p *parser) crossCheck(c *Catalog) {
	resident, site, store := map[string]string{}, map[string]string{}, map[string]string{}
	for _, z := range c.Zones {
		for _, r := range z.Residents {
			if other, taken := resident[r]; taken {
				p.fault(p.lines[z], "residents of %s belong to zone %s already", r, other)
			}
			resident[r] = z.Name
		}
		for _, s := range z.Sites {
			if other, taken := site[s.Name]; taken {
				p.fault(p.lines[s], "zone %s has a site %s already; users name sites without their zone", other, s.Name)
			}
			if other, taken := store[s.Store]; taken && s.Store != "" {
				p.fault(p.lines[s], "store %s stands at site %s already", s.Store, other)
			}
			site[s.Name], store[s.Store] = z.Name, s.Name
		}
	}
	for _, d := range c.Datasets {
		p.checkDataset(d)
	}
}

func (p *parser) checkDataset(d *Dataset) {
	var subjects []string
	for _, t := range d.Tables {
		if t.Kind == Subject {
			subjects = append(subjects, t.Name)
		}
	}
	if len(subjects) != 1 {
		has := "none"
		if len(subjects) > 1 {
			has = strings.Join(subjects, ", ")
		}
		p.fault(p.lines[d], "dataset %s needs exactly one subject table and has %s", d.Name, has)
		return // every path would fail for the same reason
	}
	if len(d.Sites) == 0 {
		p.fault(p.lines[d], "dataset %s lies at no site", d.Name)
	}
	for _, t := range d.Tables {
		p.checkColumns(t)
	}
	for _, t := range d.Tables {
		p.checkPaths(d, t)
	}
	for _, t := range d.Tables {
		p.checkEnd(d, t)
		p.checkHome(d, t)
	}
}

func (p *parser) checkColumns(t *Table) {
	line := p.lines[t]
	if len(t.Columns) == 0 {
		p.fault(line, "table %s has no columns", t.Name)
	}
	if t.Kind == Subject && t.Key != "" {
		if c, ok := t.Column(t.Key); !ok || c.Category != SubjectKey {
			p.fault(line, "the key %s of table %s must be listed among its columns with category subject", t.Key, t.Name)
		}
	}
	p.checkMinor(t)
	if t.Kind != Reference {
		return
	}
	for _, c := range t.Columns {
		if c.Category != ReferenceData && c.Category != Key && c.Category != "" {
			p.fault(line, "table %s is reference, so its column %s cannot be %s", t.Name, c.Name, c.Category)
		}
	}
}

// checkPaths resolves each path's parent; "-> users" means the subject's key.
func (p *parser) checkPaths(d *Dataset, t *Table) {
	line := p.lines[t]
	for i := range t.Paths {
		path := &t.Paths[i]
		parent := d.Table(path.Parent)
		if parent == nil {
			p.fault(line, "table %s hangs on %s, which dataset %s does not list", t.Name, quote(path.Parent), d.Name)
			continue
		}
		if path.ParentColumns == nil {
			if parent.Kind != Subject {
				p.fault(line, "table %s hangs on %s: say on which column, as in %s -> %s.id", t.Name, parent.Name, path.Columns[0], parent.Name)
				continue
			}
			path.ParentColumns = []string{parent.Key}
		}
		for k := range path.Columns {
			p.checkPair(t, parent, path.Columns[k], path.ParentColumns[k])
		}
		if slices.ContainsFunc(t.Paths[:i], path.Equal) {
			p.fault(line, "table %s lists the path %s -> %s twice", t.Name, strings.Join(path.Columns, ", "), path.Parent)
		}
	}
}

func (p *parser) checkPair(t, parent *Table, column, parentColumn string) {
	line := p.lines[t]
	own, ok := t.Column(column)
	if !ok {
		p.fault(line, "the path column %s of table %s is not listed among its columns", quote(column), t.Name)
		return
	}
	there, ok := parent.Column(parentColumn)
	if !ok {
		p.fault(line, "table %s hangs on column %s of %s, which is not listed there", t.Name, quote(parentColumn), parent.Name)
		return
	}
	if (there.Category == SubjectKey) != (own.Category == SubjectKey) {
		p.fault(line, "%s.%s and %s.%s hold the same key, so both or neither have category subject", t.Name, own.Name, parent.Name, there.Name)
	}
}

// checkEnd follows every path to the subject; a circle or a dead end is a fault.
func (p *parser) checkEnd(d *Dataset, t *Table) {
	if t.Kind == Subject || t.Kind == Reference || len(t.Paths) == 0 {
		return
	}
	var walk func(at *Table, trail []string) bool
	walk = func(at *Table, trail []string) bool {
		switch {
		case at == nil || at.Kind == Subject:
			return true // a missing parent has its own fault
		case at.Kind == Reference:
			p.fault(p.lines[t], "table %s hangs on reference table %s, which belongs to no subject", t.Name, at.Name)
			return false
		case slices.Contains(trail, at.Name):
			p.fault(p.lines[t], "the paths of table %s go in a circle: %s", t.Name, strings.Join(append(trail, at.Name), " -> "))
			return false
		}
		trail = append(slices.Clone(trail), at.Name)
		for _, path := range at.Paths {
			if !walk(d.Table(path.Parent), trail) {
				return false
			}
		}
		return true
	}
	walk(t, nil)
}
