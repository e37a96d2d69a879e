package access_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

func TestARequestLapsesByTheRulesItWasMadeUnder(t *testing.T) {
	o := newOffice(t)
	asked := o.request("viktor", "audit").Request
	if asked.Lapses != asked.Time+(72*time.Hour).Microseconds() {
		t.Fatalf("made at %d, it lapses at %d", asked.Time, asked.Lapses)
	}
	o.publish("catalogue", "lapse: 72h", "lapse: 1h") // later rules change nothing about it
	shorter := o.request("viktor", "audit").Request
	o.publish("catalogue", "lapse: 72h\n", "")
	endless := o.request("viktor", "audit").Request

	o.log.now = asked.Lapses - time.Minute.Microseconds()
	if out, err := o.verdict("astrid", "approve", asked.Seq); err != nil || out.Grant == nil {
		t.Errorf("a minute before it lapses: %+v, %v", out, err)
	}
	before := o.log.Next()
	for _, verdict := range []string{"approve", "deny"} {
		if _, err := o.verdict("astrid", verdict, shorter.Seq); kindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "lapsed at 2026-05-04 13:") {
			t.Errorf("%s, after it has lapsed: %v", verdict, err)
		}
	}
	if o.log.Next() != before {
		t.Error("a verdict on what has lapsed reached the log")
	}
	if endless.Lapses != 0 {
		t.Errorf("without lapse in the catalogue: %d", endless.Lapses)
	}
	o.log.now += (300 * 24 * time.Hour).Microseconds()
	if out, err := o.verdict("astrid", "approve", endless.Seq); err != nil || out.Grant == nil {
		t.Errorf("what never lapses: %+v, %v", out, err)
	}

	var again access.State
	for _, e := range o.log.entries {
		if err := access.Replay(&again, e); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(again.Requests, o.State().Requests) {
		t.Error("the log alone says something else")
	}
}

// An approval that is recorded in time for one decided too late gives nothing.
func TestALapseBetweenApprovalAndDecision(t *testing.T) {
	o := newOffice(t)
	asked := o.request("viktor", "audit").Request
	o.log.now = asked.Lapses - 500 // the entry of the approval comes 1 ms later
	if out, err := o.verdict("astrid", "approve", asked.Seq); kindOf(err) != fault.Conflict || out.Grant != nil {
		t.Errorf("%+v, %v", out, err)
	}
	if s := o.State(); s.Requests[asked.Seq].Closed || len(s.Grants) != 0 {
		t.Errorf("%+v", s.Requests[asked.Seq])
	}
}
