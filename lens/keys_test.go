package lens

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

func TestKeysAreThoseOfTheDataset(t *testing.T) {
	for _, c := range []struct {
		keyType, given, want string // want: empty if refused
	}{
		{"int", " 0042", "42"},
		{"int", "aoife", ""},
		{"int", "100800 100801", ""},
		{"uuid", "{0A0B0C0D-0000-0000-0000-00000000000F}", "0a0b0c0d-0000-0000-0000-00000000000f"},
		{"uuid", "100800", ""},
		{"text", "aoife ", "aoife "},
	} {
		lens := Compiled{Dataset: "clips", KeyType: c.keyType}
		got, err := lens.Keys([]string{c.given})
		if c.want != "" {
			if err != nil || !slices.Equal(got, []string{c.want}) {
				t.Errorf("%s %q: %q, %v", c.keyType, c.given, got, err)
			}
			continue
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.BadInput || strings.Contains(f.Message, c.given) || !strings.Contains(f.Hint, "trefoil access request clips") {
			t.Errorf("%s %q: %v", c.keyType, c.given, err)
		}
	}
}
