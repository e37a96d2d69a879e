package catalog

import (
	"slices"
	"testing"
)

// No level shows more of any column than the one before it, whatever the column
// says of itself: what one hides, all after it hide.
func TestEachLevelShowsNoMoreThanTheOneBefore(t *testing.T) {
	for _, cat := range Categories() {
		for _, mask := range masksOf(cat) {
			for _, widest := range []string{"", "/clear", "/masked"} {
				c, wrong := classify(string(cat) + "/" + string(mask) + widest)
				if wrong != "" {
					continue
				}
				order := []Mask{Keep, mask, Hide}
				at := 0
				for _, l := range append(Lenses(), Least) {
					next := slices.Index(order, c.Shown(l))
					if order[at] == c.Shown(l) {
						next = at
					}
					if next < at {
						t.Errorf("%s/%s%s: %s shows %s, the level before %s", cat, mask, widest, l, c.Shown(l), order[at])
					}
					at = next
				}
			}
		}
	}
}

func TestShown(t *testing.T) {
	for _, c := range []struct {
		written                          string
		clear, masked, pseudonyms, least Mask
	}{
		{"contact/email", Keep, Email, Hide, Hide},
		{"contact/email/masked", Email, Email, Hide, Hide},
		{"birth", Keep, Year, Year, Hide},
		{"behaviour", Keep, Keep, Keep, Hide},
		{"financial", Keep, Hide, Hide, Hide},
		{"special", Hide, Hide, Hide, Hide},
		{"special/hide/clear", Keep, Hide, Hide, Hide},
		{"minor", Hide, Hide, Hide, Hide},
		{"minor/hide/clear", Keep, Hide, Hide, Hide},
		{"minor/keep", Keep, Keep, Keep, Hide},
		{"credential", Hide, Hide, Hide, Hide},
		{"key", Keep, Keep, Keep, Keep},
		{"key/hide", Keep, Hide, Hide, Hide},
		{"reference", Keep, Keep, Keep, Keep},
		{"subject", Pseudonym, Pseudonym, Pseudonym, Pseudonym},
	} {
		col, wrong := classify(c.written)
		if wrong != "" {
			t.Fatal(wrong)
		}
		got := []Mask{col.Shown(Clear), col.Shown(Masked), col.Shown(Pseudonymous), col.Shown(Least)}
		if want := []Mask{c.clear, c.masked, c.pseudonyms, c.least}; !slices.Equal(got, want) {
			t.Errorf("%s is shown as %v, want %v", c.written, got, want)
		}
	}
}

func TestMinorTest(t *testing.T) {
	for written, want := range map[string]MinorTest{
		"is_child":               {"is_child", 0},
		"born under 18":          {"born", 18},
		"date of birth under 13": {"date of birth", 13},
		"born under 018":         {"born under 018", 0},
	} {
		if got := minorTest(written); got != want {
			t.Errorf("%q is read as %+v", written, got)
		}
	}
}
