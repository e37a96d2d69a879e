package clients

import (
	"os"
	"strings"
	"testing"
)

// page is docs/clients.md: what it says of each client and capability.
type page struct {
	cells   map[string]map[string]string // capability → client's title → cell
	reasons map[string]string            // "title, capability" → why not
}

// readPage reads the table whose first column is the capability, and the lines
// "- TITLE, CAPABILITY: why" below it.
func readPage(t *testing.T) *page {
	t.Helper()
	text, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &page{cells: map[string]map[string]string{}, reasons: map[string]string{}}
	var titles []string
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "- "); ok {
			if about, why, ok := strings.Cut(rest, ": "); ok {
				p.reasons[about] = why
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			titles = nil
		case cells[0] == "capability":
			titles = cells[1:]
		case titles != nil && !strings.HasPrefix(cells[0], "--"):
			p.cells[cells[0]] = map[string]string{}
			for i, cell := range cells[1:] {
				p.cells[cells[0]][titles[i]] = cell
			}
		}
	}
	if len(p.cells) != len(capabilities()) {
		t.Fatalf("docs/clients.md has %d capabilities, the test %d", len(p.cells), len(capabilities()))
	}
	return p
}

// check compares what happened with what the page says. A reason that names a
// version may be outgrown: a newer client can do more.
func (p *page) check(t *testing.T, title, capability, cannot string) {
	t.Helper()
	if why := p.reasons[title+", "+capability]; cannot == "" && strings.ContainsAny(why, "0123456789") {
		t.Logf("here it works; docs/clients.md says %q", why)
		return
	}
	want := "✓"
	if cannot != "" {
		want = "–"
	}
	if got := p.cells[capability][title]; got != want {
		t.Errorf("docs/clients.md says %q of %s, %s; it is %q", got, title, capability, want)
	}
	if got := p.reasons[title+", "+capability]; got != cannot {
		t.Errorf("docs/clients.md gives the reason %q of %s, %s; it is %q", got, title, capability, cannot)
	}
}
