package lens

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/internal/pgtest"
)

func TestServersThatLeakStatisticsAreRefused(t *testing.T) {
	for num, update := range map[int]string{
		140021: "15.14", 150000: "15.14", 150013: "15.14", 150014: "", 150018: "", 160009: "16.10", 160010: "", 170000: "17.6", 170005: "17.6", 170006: "", 180000: "",
	} {
		problem := unfit(num)
		if update == "" && problem != "" || update != "" && !strings.Contains(problem, update+" or later") {
			t.Errorf("%d: %q, want an update to %q", num, problem, update)
		}
	}
}

// A store that says it is older than it was stays closed to plan, apply and gate.
func TestAnOldServerIsNeitherAppliedNorOpened(t *testing.T) {
	s := newStore(t, few)
	s.apply()
	if err := CheckServer(ctx, s.gate()); err != nil {
		t.Fatal(err)
	}
	pgtest.Pretend(t, s.admin, 150013)
	var f *fault.Error
	if err := CheckServer(ctx, s.gate()); !errors.As(err, &f) || f.Kind != fault.Conflict || !strings.Contains(f.Message, "15.13") {
		t.Errorf("the gate is told %v", err)
	}
	p := s.plan()
	if fmt.Sprint(p.Problems) == "[]" || p.Version != "15.13" {
		t.Errorf("the plan for %s has no problem", p.Version)
	}
	if err := Apply(ctx, s.admin, p); !errors.As(err, &f) || !strings.Contains(f.Message, "CVE-2025-8713") {
		t.Errorf("apply says %v", err)
	}
}
