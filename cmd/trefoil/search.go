package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

type searchCmd struct {
	Person  string `placeholder:"LOGIN" help:"What that person did, and what became of their requests."`
	Dataset string `placeholder:"DATASET" help:"About that dataset."`
	Subject string `placeholder:"KEY" help:"Who asked for or read that person's rows; sessions over everybody are marked 'may include'."`
	Since   string `placeholder:"AGE|DATE" help:"Not older: 90m, 24h, 7d, 2026-05-04, or 2026-05-04T12:00:00Z."`
	Kind    string `placeholder:"KIND" help:"Of one kind, such as statement, session, refusal."`
	Before  uint64 `placeholder:"SEQ" help:"Only entries before that one."`
	Limit   int    `default:"100" help:"The newest so many, at most 1000."`
	socket  `embed:""`
}

func (c *searchCmd) Run(e *env) error {
	cl, err := c.open()
	if err != nil {
		return err
	}
	v := url.Values{"limit": {strconv.Itoa(max(c.Limit, 0))}}
	for name, value := range map[string]string{"person": c.Person, "dataset": c.Dataset, "subject": c.Subject, "kind": c.Kind} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if c.Before != 0 {
		v.Set("before", strconv.FormatUint(c.Before, 10))
	}
	if c.Since != "" {
		st, err := cl.status(e.ctx)
		if err != nil {
			return err
		}
		since, err := moment(c.Since, time.UnixMicro(st.Time))
		if err != nil {
			return err
		}
		v.Set("since", strconv.FormatInt(max(since.UnixMicro(), 0), 10))
	}
	var out api.Found
	if err := cl.call(e.ctx, "/v1/search?"+v.Encode(), nil, &out); err != nil {
		return err
	}
	return c.print(e, out)
}

func (c *searchCmd) print(e *env, out api.Found) error {
	first := uint64(0)
	for i, h := range out.Hits {
		leaf, err := record.ParseLeaf([]byte(h.Leaf))
		if err != nil {
			return err
		}
		if i == 0 {
			first = leaf.Seq
		}
		parts := withActor(h)
		actor, _ := read(parts)
		text := line(leaf, parts, who(actor))
		if h.May {
			text += "; may include " + c.Subject
		}
		e.printf("%6d %s\n", leaf.Seq, text)
	}
	if len(out.Hits) == 0 {
		fmt.Fprintf(e.stderr, "nothing found in %d entries\n", out.Indexed)
	}
	if out.NoPerson {
		fmt.Fprintf(e.stderr, "no entry names a person %s\n", c.Person)
	}
	if out.NoDataset {
		fmt.Fprintf(e.stderr, "no entry names a dataset %s\n", c.Dataset)
	}
	if out.More {
		fmt.Fprintf(e.stderr, "there are older ones: --before %d shows them\n", first)
	}
	if out.Indexed < out.Durable {
		fmt.Fprintf(e.stderr, "the index has read %d of %d entries; the newer ones were not searched\n", out.Indexed, out.Durable)
	}
	return nil
}

// withActor names who it was where the entry itself does not: a statement names
// its session, a session its person.
func withActor(h api.Hit) []api.EntryPart {
	if h.Login == "" || slices.ContainsFunc(h.Parts, func(p api.EntryPart) bool { return p.Name == record.PartActor }) {
		return h.Parts
	}
	who, err := json.Marshal(record.Actor{Login: h.Login})
	if err != nil {
		return h.Parts
	}
	return append([]api.EntryPart{{Name: record.PartActor, JSON: who}}, h.Parts...)
}

// moment reads an age or a date. Dates are UTC.
func moment(text string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.BadInput, "--since %s is neither an age nor a date", text).WithHint("90m, 24h, 7d, 2026-05-04, or 2026-05-04T12:00:00Z")
}
