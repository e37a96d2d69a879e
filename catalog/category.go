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

// Categories lists every category, sorted.
func Categories() []Category {
	all := make([]Category, 0, len(fitting))
	for c := range fitting {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// classify reads "category" or "category/mask"; the second result is a sentence
// about what is wrong, or empty.
func classify(s string) (Category, Mask, string) {
	name, maskName, hasMask := strings.Cut(s, "/")
	cat, mask := Category(strings.TrimSpace(name)), Mask(strings.TrimSpace(maskName))
	masks := masksOf(cat)
	if masks == nil {
		return "", "", "unknown category " + quote(string(cat)) + "; known are " + join(Categories())
	}
	if !hasMask {
		return cat, masks[0], ""
	}
	if !slices.Contains(masks, mask) {
		return "", "", "mask " + quote(string(mask)) + " does not fit category " + string(cat) + "; fitting are " + join(masks)
	}
	return cat, mask, ""
}

func join[S ~string](list []S) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}
