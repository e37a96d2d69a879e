package catalog

import (
	"slices"
	"strings"
)

// Category says what kind of thing a column holds. Policies speak of
// categories, so their names never change their meaning.
type Category string

// The categories.
const (
	SubjectKey    Category = "subject"    // the key of a data subject
	Key           Category = "key"        // the key of a row, or a reference to one
	Identity      Category = "identity"   // names, handles, official numbers
	Contact       Category = "contact"    // e-mail, telephone, postal address
	Birth         Category = "birth"      // date of birth
	Residence     Category = "residence"  // home country or region, no finer
	Network       Category = "network"    // IP addresses
	Device        Category = "device"     // platform, model, device identifiers
	Location      Category = "location"   // where the person was
	Content       Category = "content"    // what the person wrote or made
	Behaviour     Category = "behaviour"  // when and how much the person did what
	Financial     Category = "financial"  // amounts, cards, accounts
	Special       Category = "special"    // GDPR articles 9 and 10
	Minor         Category = "minor"      // says or implies that the person is a child
	Credential    Category = "credential" // password hashes, tokens
	ReferenceData Category = "reference"  // not personal
)

// Mask is what the masked lens shows instead of a column.
type Mask string

// The masks. Package lens turns them into SQL and documents the exact result.
const (
	Keep       Mask = "keep"      // as it is
	Hide       Mask = "hide"      // NULL
	Pseudonym  Mask = "pseudonym" // of SubjectKey alone: another subject's key is replaced
	Email      Mask = "email"     // a***@***
	Phone      Mask = "phone"     // ***67
	PersonName Mask = "name"      // first characters of first and last word
	IP         Mask = "ip"        // the /24 or /48
	Year       Mask = "date"      // 1 January of the year
	Coarse     Mask = "coordinate"
	Length     Mask = "text" // only how long it is, roughly
)

// fitting holds, for each category, the masks it may have; the first is what a
// column gets that names none.
var fitting = map[Category][]Mask{
	SubjectKey:    {Pseudonym},
	Key:           {Keep, Hide},
	Identity:      {PersonName, Length, Hide},
	Contact:       {Hide, Email, Phone, Length},
	Birth:         {Year, Hide},
	Residence:     {Keep, Hide},
	Network:       {IP, Hide},
	Device:        {Keep, Length, Hide},
	Location:      {Coarse, Hide},
	Content:       {Length, Hide},
	Behaviour:     {Keep, Year, Length, Hide},
	Financial:     {Hide, Keep},
	Special:       {Hide},
	Minor:         {Hide, Keep},
	Credential:    {Hide},
	ReferenceData: {Keep, Hide},
}

// masksOf gives the masks that fit a category, nil when there is no such category.
func masksOf(c Category) []Mask { return fitting[c] }

// DefaultMask is the mask of a column whose category is written without one.
func DefaultMask(c Category) Mask {
	if m := masksOf(c); len(m) > 0 {
		return m[0]
	}
	return Hide
}

// Categories lists every category, sorted.
func Categories() []Category {
	all := make([]Category, 0, len(fitting))
	for c := range fitting {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// classify reads "category", "category/mask" or "category/mask/widest", where
// widest is the lens, clear or masked, beyond which the column is not shown
// wider; wrong is a sentence, or empty.
func classify(s string) (c Column, wrong string) {
	words := strings.Split(s, "/")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	c.Category = Category(words[0])
	masks := masksOf(c.Category)
	if masks == nil {
		return Column{}, "unknown category " + quote(words[0]) + "; known are " + join(Categories())
	}
	c.Mask, c.Clear = masks[0], !slices.Contains(narrow, c.Category)
	if len(words) > 1 {
		if c.Mask = Mask(words[1]); !slices.Contains(masks, c.Mask) {
			return Column{}, "mask " + quote(words[1]) + " does not fit category " + words[0] + "; fitting are " + join(masks)
		}
	}
	switch {
	case len(words) < 3:
	case len(words) > 3 || words[2] != Clear.String() && words[2] != Masked.String():
		return Column{}, quote(s) + " is not category, category/mask or category/mask/widest, where widest is clear or masked"
	case c.Category == SubjectKey || c.Category == Credential:
		return Column{}, "category " + words[0] + " is shown the same in clear and masked; nothing follows its mask"
	default:
		c.Clear = words[2] == Clear.String()
	}
	return c, ""
}

func join[S ~string](list []S) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}
