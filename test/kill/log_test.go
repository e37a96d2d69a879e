package kill

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"testing"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/record"
)

// entry is an entry as the instance shows it to operators.
type entry struct {
	record.Leaf
	hash  string
	parts []api.EntryPart
}

// follower reads the log over the operators' socket, as `trefoil log tail` does.
type follower struct {
	http    *http.Client
	entries []entry // of the rounds that have been compared
}

func newFollower(socket string) *follower {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &follower{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// some gives up to 100 entries from one on; with wait it waits for the first.
func (f *follower) some(from uint64, wait string) ([]entry, error) {
	resp, err := f.http.Get(fmt.Sprintf("http://trefoil/v1/entries?from=%d&wait=%s", from, wait))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the instance answers %s", resp.Status)
	}
	var shown []api.Entry
	if err := json.NewDecoder(resp.Body).Decode(&shown); err != nil {
		return nil, err
	}
	out := make([]entry, len(shown))
	for i, s := range shown {
		if out[i].Leaf, err = record.ParseLeaf([]byte(s.Leaf)); err != nil {
			return nil, err
		}
		if out[i].hash, out[i].parts = s.Hash, s.Parts; s.Hash != out[i].Leaf.Hash().String() {
			return nil, fmt.Errorf("entry %d does not have the hash %s", out[i].Seq, s.Hash)
		}
	}
	return out, nil
}

// catchUp reads to the end and gives the sequence of the next entry.
func (f *follower) catchUp(t *testing.T) uint64 {
	t.Helper()
	for {
		more, err := f.some(uint64(len(f.entries)), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(more) == 0 {
			return uint64(len(f.entries))
		}
		f.entries = append(f.entries, more...)
	}
}

// follow reads what is durable as it comes, until the instance is gone.
func (f *follower) follow(from uint64) (seen []entry) {
	for {
		more, err := f.some(from+uint64(len(seen)), "10s")
		if err != nil {
			return seen
		}
		seen = append(seen, more...)
	}
}

// again reads what was added since the last kill. What somebody had seen of it
// before must be the same: a sequence number is given once.
func (f *follower) again(t *testing.T, seen []entry) []entry {
	t.Helper()
	first := len(f.entries)
	f.catchUp(t)
	fresh := f.entries[first:]
	if len(fresh) < len(seen) {
		t.Fatalf("%d entries were seen before the kill, %d are there after it", len(seen), len(fresh))
	}
	for i, e := range seen {
		if e.hash != fresh[i].hash {
			t.Errorf("entry %d was %s (%s) before the kill and is %s (%s) after it: its number was given twice",
				first+i, e.hash, e.Kind, fresh[i].hash, fresh[i].Kind)
		}
	}
	return fresh
}

// hashBefore is what the entry with that sequence must name as its predecessor.
func (f *follower) hashBefore(seq uint64) (h record.Hash) {
	if seq > 0 {
		h = f.entries[seq-1].Leaf.Hash()
	}
	return h
}

func decode(t *testing.T, e entry, part string, out any) {
	t.Helper()
	for _, p := range e.parts {
		if p.Name == part {
			if err := json.Unmarshal(p.JSON, out); err != nil {
				t.Fatalf("entry %d, %s: %v", e.Seq, part, err)
			}
			return
		}
	}
	t.Fatalf("entry %d (%s) has no part %s", e.Seq, e.Kind, part)
}

var names = regexp.MustCompile(`kill\d+\.client\d+\.\d+`)

// nameOf finds the name that a client gave a statement, in its text or in its
// parameters; statements by which it prepares others have none.
func nameOf(t *testing.T, e entry) string {
	t.Helper()
	var text record.StatementText
	decode(t, e, record.PartStatement, &text)
	return nameIn(text.SQL, text.Params)
}

func nameIn(sql string, params []json.RawMessage) string {
	for _, p := range params {
		var s string
		var binary struct {
			Base64 []byte `json:"base64"`
		}
		if json.Unmarshal(p, &s) != nil && json.Unmarshal(p, &binary) == nil {
			s = string(binary.Base64)
		}
		if name := names.FindString(s); name != "" {
			return name
		}
	}
	return names.FindString(sql)
}
