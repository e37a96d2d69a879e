package sqllex

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table in docs/statements.md is what people read; it and the code agree.
func TestSettingsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/statements.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "| parameter | values | why |")
	if !ok {
		t.Fatal("docs/statements.md has no table of parameters")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	words := map[rule]string{never: "none", anyValue: "any", pinned: "any, without effect", onlyUTF8: "UTF8", onlyOn: "on", noticeUp: "notice, warning, error"}
	var want []string
	for _, s := range settings {
		want = append(want, s.name+": "+words[s.rule])
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(table, -1) {
		got = append(got, m[1]+": "+m[2])
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page says\n%s\nthe code says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !slices.IsSorted(want) {
		t.Error("settings are not sorted, so look-ups miss some")
	}
}
