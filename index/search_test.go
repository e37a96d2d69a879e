package index_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/index"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// shows gives what a query finds, one word an entry: kind/login, '?' where the
// person may be among many.
func (z *zone) shows(x *index.Index, q index.Query) []string {
	z.tb.Helper()
	if q.Limit == 0 {
		q.Limit = index.MaxLimit
	}
	a, err := x.Search(context.Background(), q)
	z.check(err)
	if a.Indexed != z.log.Durable() || a.More {
		z.tb.Errorf("%+v: searched %d of %d entries, more: %v", q, a.Indexed, z.log.Durable(), a.More)
	}
	var out []string
	last := -1
	for _, h := range a.Hits {
		e, err := z.log.Read(h.Seq)
		z.check(err)
		if int(h.Seq) <= last {
			z.tb.Errorf("%+v: entry %d comes after %d", q, h.Seq, last)
		}
		last = int(h.Seq)
		text := string(e.Kind) + "/" + h.Login
		if h.May {
			text += "?"
		}
		out = append(out, text)
	}
	return out
}

func TestSearch(t *testing.T) {
	z := newZone(t)
	s := z.story()
	x, _ := z.index(z.path(), 0)
	jonas := strings.Fields("request/jonas grant/jonas secret/jonas attempt/jonas session/jonas statement/jonas result/jonas result/jonas refusal/jonas session-end/jonas attempt/jonas refusal/jonas")
	viktor := strings.Fields("request/viktor refusal/viktor approval/diana refusal/viktor denial/astrid")
	sean := strings.Fields("request/sean refusal/sean approval/astrid grant/sean attempt/sean session/sean")
	read := strings.Fields("statement/sean result/sean statement/sean")
	service := strings.Fields("request/jonas grant/jonas attempt/replies session/replies statements/replies statements/replies")
	revoked := []string{"revocation/astrid"}
	maybe := func(list []string) (out []string) {
		for _, s := range list {
			out = append(out, s+"?")
		}
		return out
	}
	for name, c := range map[string]struct {
		q    index.Query
		want []string
	}{
		"a person: what they did, and what became of their requests": {index.Query{Person: "jonas"}, slices.Concat([]string{"enrol/jonas"}, jonas, service, revoked)},
		"a person who only decides":                                  {index.Query{Person: "astrid"}, strings.Fields("enrol/astrid denial/astrid approval/astrid revocation/astrid")},
		"nobody of that name":                                        {index.Query{Person: "jona"}, nil},
		"a dataset":                                                  {index.Query{Dataset: "clips"}, slices.Concat(jonas, viktor, sean, read, service, revoked)},
		"another dataset":                                            {index.Query{Dataset: "films"}, nil},
		"somebody named, and those who may have seen them":           {index.Query{Subject: "1001"}, slices.Concat(jonas, viktor, maybe(sean), revoked)},
		"somebody named once":                                        {index.Query{Subject: "1002"}, slices.Concat(jonas, maybe(sean), revoked)},
		"somebody nobody named":                                      {index.Query{Subject: "7"}, maybe(sean)},
		"statements that may be about somebody":                      {index.Query{Subject: "7", Kind: record.KindStatement}, strings.Fields("statement/sean? statement/sean?")},
		"statements about somebody":                                  {index.Query{Subject: "1001", Kind: record.KindStatement}, strings.Fields("statement/jonas statement/sean? statement/sean?")},
		"somebody, by one person":                                    {index.Query{Subject: "1001", Person: "viktor"}, viktor},
		"somebody, by who only decided":                              {index.Query{Subject: "1001", Person: "astrid"}, strings.Fields("denial/astrid approval/astrid? revocation/astrid")},
		"somebody of another dataset":                                {index.Query{Subject: "1001", Dataset: "films"}, nil},
		"since a moment":                                             {index.Query{Since: s.middle}, slices.Concat(viktor, sean, read, []string{"start/"}, service, revoked, []string{"stop/"})},
		"a person, since a moment":                                   {index.Query{Person: "jonas", Since: s.middle}, slices.Concat(service, revoked)},
		"a service":                                                  {index.Query{Person: "replies"}, service[2:]},
		"whom a service read":                                        {index.Query{Subject: "1003", Kind: record.KindStatements}, service[4:]},
		"since tomorrow":                                             {index.Query{Since: s.middle + 1e12}, nil},
		"a kind":                                                     {index.Query{Kind: record.KindRefusal}, strings.Fields("refusal/jonas refusal/jonas refusal/viktor refusal/viktor refusal/sean")},
		"a kind that is nobody's":                                    {index.Query{Kind: record.KindStrangers}, []string{"strangers/"}},
		"a person's kind":                                            {index.Query{Person: "sean", Kind: record.KindSession}, []string{"session/sean"}},
		"a person's statements":                                      {index.Query{Person: "sean", Kind: record.KindStatement}, strings.Fields("statement/sean statement/sean")},
		"before an entry":                                            {index.Query{Before: s.jonas.Request.Seq, Person: "jonas"}, []string{"enrol/jonas"}},
	} {
		if got := z.shows(x, c.q); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, c.want)
		}
	}
}

func TestSearchGivesTheNewest(t *testing.T) {
	z := newZone(t)
	z.story()
	x, _ := z.index(z.path(), 0)
	for _, q := range []index.Query{{}, {Person: "jonas"}, {Dataset: "clips"}, {Subject: "1001"}, {Person: "astrid"}, {Kind: record.KindStatement}} {
		q.Limit = index.MaxLimit
		all, err := x.Search(context.Background(), q)
		z.check(err)
		var seen []index.Hit
		for q.Limit = 2; ; q.Before = seen[0].Seq { // page by page
			page, err := x.Search(context.Background(), q)
			z.check(err)
			seen = slices.Concat(page.Hits, seen)
			if page.More != (len(seen) < len(all.Hits)) || len(page.Hits) > 2 {
				t.Fatalf("%+v: %d entries of %d, more: %v", q, len(seen), len(all.Hits), page.More)
			}
			if !page.More {
				break
			}
		}
		if !slices.Equal(seen, all.Hits) {
			t.Errorf("%+v: in pages %v, at once %v", q, seen, all.Hits)
		}
	}
}

func TestSearchSeesWhatWasJustRecorded(t *testing.T) {
	z := newZone(t)
	z.rules()
	x, _ := z.index(z.path(), 0)
	for i := range 3 {
		z.ask("jonas", "support", fmt.Sprint(i))
		if got := z.shows(x, index.Query{Subject: fmt.Sprint(i)}); !slices.Equal(got, []string{"request/jonas", "grant/jonas"}) {
			t.Errorf("request %d: %v", i, got)
		}
	}
}

func TestSearchSaysWhatItDoesNotKnow(t *testing.T) {
	z := newZone(t)
	x, stop := z.index(z.path(), 0)
	for _, q := range []index.Query{{Limit: 0}, {Limit: index.MaxLimit + 1}, {Limit: 1, Kind: "statment"}} {
		if _, err := x.Search(context.Background(), q); fault.Public(err).Kind != fault.BadInput {
			t.Errorf("%+v: %v", q, err)
		}
	}
	stop()
	if _, err := x.Search(context.Background(), index.Query{Limit: 1}); fault.Public(err).Kind != fault.Stopping {
		t.Errorf("closed: %v", err)
	}
}
