package scan

import (
	"strings"

	"github.com/trefoil-dev/trefoil/catalog"
)

// guess is what is proposed for a column. Without a category it is left
// unclassified.
type guess struct {
	category catalog.Category
	mask     catalog.Mask
	why      string
	ask      bool // a person is to confirm it
	vague    bool // nothing to say that a table holds persons by
}

// valueRules are shapes that speak for themselves, whatever the name; before
// them come names of what must never be shown.
var valueRules = []struct {
	shape    shape
	category catalog.Category
	mask     catalog.Mask
}{
	{mail, catalog.Contact, catalog.Email},
	{ip, catalog.Network, catalog.IP},
	{iban, catalog.Financial, catalog.Hide},
	{card, catalog.Financial, catalog.Hide},
	{mac, catalog.Device, catalog.Hide},
	{phone, catalog.Contact, catalog.Phone},
	{coordinates, catalog.Location, catalog.Hide},
	{secret, catalog.Credential, catalog.Hide},
}

// evidence says what name, type and values of a column tell, whatever table it
// stands in.
func (c *column) evidence() guess {
	if !legal(c.name) {
		return guess{why: "a catalogue cannot say its name"}
	}
	n := parse(c.name)
	s := &c.stats
	r, word, named := match(n, c.family, s)
	if c.family == "text" || c.family == "int" {
		for _, v := range valueRules {
			if !s.most(v.shape) || s.values == 0 || named && (r.category == catalog.Credential || r.category == catalog.Special) {
				continue
			}
			g := guess{category: v.category, mask: v.mask, why: s.told(v.shape), ask: s.values < few && !named}
			if named && word != "" && r.category == v.category {
				g.why = "by its name; " + g.why
			}
			return g.fit(c)
		}
	}
	if c.family == "document" {
		return guess{why: c.typ + " can hold anything" + c.inside()}
	}
	if named {
		return c.named(r, word)
	}
	switch {
	case c.family == "text" && s.share(given) >= 0.2 && s.values >= few && !s.most(country2):
		return guess{category: catalog.Identity, mask: catalog.PersonName, why: s.told(given)}.fit(c)
	case c.family == "text" && s.share(prose) >= 0.5:
		return guess{category: catalog.Content, mask: catalog.Length, why: s.told(prose) + c.inside(), vague: true}.fit(c)
	case c.family == "number" && !c.array && s.values >= few && s.share(fineDegrees) >= 0.8:
		return guess{category: catalog.Location, mask: catalog.Coarse, why: s.told(fineDegrees), ask: true}.fit(c)
	case c.family == "date" && s.values >= few && s.low >= 1900 && s.up-s.low >= 30:
		return guess{category: catalog.Birth, mask: catalog.Year, why: "dates spread over decades, as dates of birth are", ask: true}.fit(c)
	case c.family == "words":
		return guess{category: catalog.Content, mask: catalog.Hide, why: "search words, taken from a text", vague: true}.fit(c)
	case c.family == "text" && s.most(country2):
		return guess{why: s.told(country2) + ", and its name does not say of what"}
	case c.family == "text" && s.most(uuid), c.family == "uuid":
		return guess{why: "a UUID; its name does not say of what"}
	}
	return guess{why: "neither its name nor its type nor its values tell" + c.inside()}
}

// named is what a name says, or, when word is empty, a type alone; values that
// say otherwise make it a question.
func (c *column) named(r rule, word string) guess {
	s := &c.stats
	g := guess{category: r.category, mask: r.mask, why: "by its name", ask: r.ask}
	if word == "" {
		g.why = "by its type, " + c.typ
	}
	text := c.family == "text" && s.values >= few
	switch r.category {
	case catalog.Identity:
		switch {
		case text && s.share(given) >= 0.2:
			g.why += "; " + s.told(given)
		case word == "name" || word == "title":
			g.vague, g.ask = true, true
		}
	case catalog.Contact:
		if r.mask == catalog.Hide { // places are not always somebody's
			g.vague = parse(c.name).has("address addr adresse anschrift street strasse zip zipcode postcode postalcode postal plz phone telephone telefon mobile msisdn") == ""
		} else if text && r.mask == catalog.Email {
			g.ask = true // or the values would have spoken
			g.why += ", though " + s.not(mail)
		}
	case catalog.Residence:
		g.vague = true
		if c.family == "text" && s.most(country2) {
			g.why += "; " + s.told(country2)
		}
	case catalog.Location:
		if c.family == "number" && s.values >= few && s.share(degrees) < 0.95 {
			return guess{why: "named like a coordinate, but its values are not degrees"}
		}
		if c.family == "number" && s.values > 0 {
			g.why += "; " + s.told(degrees)
		}
		g.vague = word == "location" || word == "position"
	case catalog.Content:
		g.why += c.inside()
		g.vague = true
	case catalog.Behaviour, catalog.Device, catalog.Financial:
		g.vague = true
		switch {
		case c.family == "text" && s.share(prose) >= 0.5:
			g = guess{category: catalog.Content, mask: catalog.Length, why: s.told(prose) + c.inside(), vague: true}
		case text && s.share(given) >= 0.2 && !s.most(country2):
			g = guess{category: catalog.Identity, mask: catalog.PersonName, why: s.told(given), ask: true}
		case text && r.category == catalog.Behaviour:
			g.why += c.inside()
			g.ask = s.shapes[mailInside]+s.shapes[numberInside] > 0
		}
	}
	return g.fit(c)
}

// not says that few values have a shape.
func (s *stats) not(sh shape) string {
	return "its values do not " + strings.TrimPrefix(shapeWords[sh], "do ")
}

// inside says which personal things were found within longer texts.
func (c *column) inside() string {
	var list []string
	for _, sh := range []shape{mailInside, numberInside, nameInside} {
		if c.stats.shapes[sh] > 0 && c.stats.values >= few {
			list = append(list, c.stats.told(sh))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "; " + strings.Join(list, ", ")
}

// fit gives a column that its mask does not fit the mask that fits all.
func (g guess) fit(c *column) guess {
	if g.category != "" && !c.fits(g.mask) {
		g.mask = catalog.Hide
		if !c.shown {
			g.why += "; of type " + c.typ + ", which no lens can show"
		}
	}
	return g
}
