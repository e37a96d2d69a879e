package api

import (
	"net/http"
	"strconv"

	"github.com/trefoil-dev/trefoil/index"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// searched is how many entries a search gives that does not say.
const searched = 100

// search answers /v1/search?person=&dataset=&subject=&kind=&since=&before=&limit=;
// since is µs UTC, before a sequence.
func (a *API) search(r *http.Request, _ caller) (any, error) {
	v := r.URL.Query()
	q := index.Query{Person: v.Get("person"), Dataset: v.Get("dataset"), Subject: v.Get("subject"), Kind: record.Kind(v.Get("kind")), Limit: searched}
	for _, f := range []struct {
		name string
		set  func(uint64)
	}{
		{"since", func(n uint64) { q.Since = int64(n) }},
		{"before", func(n uint64) { q.Before = n }},
		{"limit", func(n uint64) { q.Limit = int(min(n, index.MaxLimit+1)) }},
	} {
		if text := v.Get(f.name); text != "" {
			n, err := strconv.ParseUint(text, 10, 63)
			if err != nil {
				return nil, fault.New(fault.BadInput, "%s: %q is not a whole number", f.name, text)
			}
			f.set(n)
		}
	}
	found, err := a.Index.Search(r.Context(), q)
	if err != nil {
		return nil, err
	}
	out := Found{Hits: []Hit{}, Indexed: found.Indexed, Durable: found.Durable, More: found.More, NoPerson: found.NoPerson}
	if found.NoDataset { // a published one nobody asked for is named by the rules
		_, _, err := a.Register.State().Dataset(q.Dataset)
		out.NoDataset = err != nil
	}
	for _, h := range found.Hits {
		if h.Seq >= a.Log.Durable() {
			return nil, fault.New(fault.Stopping, "the index names entry %d, which the log does not have", h.Seq).WithHint("trefoil index rebuild")
		}
		// What is shown of an entry comes from the log: the index says which.
		e, err := a.open(h.Seq)
		if err != nil {
			return nil, err
		}
		out.Hits = append(out.Hits, Hit{Leaf: e.Leaf, Parts: told(e.Parts), Login: h.Login, Dataset: h.Dataset, May: h.May})
	}
	return out, nil
}

// maxTold leaves out of a list what only 'log show' has room for.
const maxTold = 64 << 10

// told keeps the parts that say who and what.
func told(parts []EntryPart) []EntryPart {
	kept := []EntryPart{}
	for _, p := range parts {
		if (p.Name == record.PartActor || p.Name == record.PartDecision) && len(p.JSON) <= maxTold {
			kept = append(kept, p)
		}
	}
	return kept
}

func (a *API) indexStatus(*http.Request, caller) (any, error) {
	return indexed(a.Index.Status()), nil
}

// rebuild answers when the index has been begun anew; GET /v1/index tells how
// far it is.
func (a *API) rebuild(r *http.Request, _ caller) (any, error) {
	s, err := a.Index.Rebuild(r.Context())
	if err != nil {
		return nil, err
	}
	a.Logger.Info("the index is rebuilt because an operator asked for it", "entries", s.Durable)
	return indexed(s), nil
}

func indexed(s index.Status) IndexStatus {
	out := IndexStatus{Indexed: s.Indexed, Durable: s.Durable}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

// Found is the answer to a search, oldest first.
type Found struct {
	Hits    []Hit  `json:"hits"`
	Indexed uint64 `json:"indexed"` // entries that were searched: those before this
	Durable uint64 `json:"durable"` // entries of the log
	More    bool   `json:"more"`    // older ones fit, too

	// When nothing was found: no entry at all names that person, or that dataset.
	NoPerson  bool `json:"no_person,omitempty"`
	NoDataset bool `json:"no_dataset,omitempty"`
}

// Hit is an entry found: its leaf, and of its parts 'actor' and 'decision'.
type Hit struct {
	Leaf    string      `json:"leaf"`
	Parts   []EntryPart `json:"parts"`
	Login   string      `json:"login"`   // who did it, or whose session it is
	Dataset string      `json:"dataset"` // or empty
	May     bool        `json:"may"`     // about everybody in a store, so perhaps about the subject
}

// IndexStatus says how far the index has read.
type IndexStatus struct {
	Indexed uint64 `json:"indexed"`
	Durable uint64 `json:"durable"`
	Error   string `json:"error,omitempty"` // why it does not get on
}
