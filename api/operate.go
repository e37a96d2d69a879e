package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

func (a *API) status(*http.Request, caller) (any, error) {
	s := Status{Zone: a.Zone, Origin: a.Log.Origin(), Time: a.Clock().UnixMicro(), Durable: a.Log.Durable(),
		Published: a.Log.Published(), Sessions: a.Sessions(), Postgres: a.Postgres}
	if rules := a.Register.State().Rules; rules != nil {
		s.Rules = rules.Digest.String()
	}
	return s, nil
}

func (a *API) rules(*http.Request, caller) (any, error) {
	if rules := a.Register.State().Rules; rules != nil {
		return Rules{Sources: rules.Sources}, nil
	}
	return Rules{Sources: []record.Source{}}, nil
}

func (a *API) publish(r *http.Request, c caller) (any, error) {
	b, err := decode[Rules](r)
	if err != nil {
		return nil, err
	}
	ref, rules, err := a.Register.Publish(r.Context(), c.actor(), b.Sources, b.After)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) {
			return nil, err
		}
		return nil, fault.New(fault.BadInput, "%s", err) // file:line sentences of the rules' readers
	}
	return Published{Entry: ref.Seq, Digest: rules.Digest.String()}, nil
}

func (a *API) enrol(r *http.Request, c caller) (any, error) {
	b, err := decode[Enrolment](r)
	if err != nil {
		return nil, err
	}
	k, err := a.Register.Enrol(r.Context(), c.actor(), b.Login, []byte(b.Key))
	return Enrolled{Entry: k.Seq, Fingerprint: k.Fingerprint}, err
}

func (a *API) withdraw(r *http.Request, c caller) (any, error) {
	b, err := decode[Withdrawal](r)
	if err != nil {
		return nil, err
	}
	k, err := a.Register.Withdraw(r.Context(), c.actor(), b.Login, b.Fingerprint)
	return Enrolled{Entry: k.Ended, Fingerprint: k.Fingerprint}, err
}

func (a *API) entry(r *http.Request, _ caller) (any, error) {
	seq, err := a.sequence(r)
	if err != nil {
		return nil, err
	}
	return a.open(seq)
}

func (a *API) sequence(r *http.Request) (uint64, error) {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 63)
	if err != nil {
		return 0, fault.New(fault.BadInput, "%q is not a sequence number", r.PathValue("seq"))
	}
	if seq >= a.Log.Durable() {
		return 0, fault.New(fault.NotFound, "the log has %d entries; the last is %d", a.Log.Durable(), a.Log.Durable()-1)
	}
	return seq, nil
}

// line gives one line of a batch with what proves it, without its neighbours.
func (a *API) line(r *http.Request, _ caller) (any, error) {
	seq, err := a.sequence(r)
	if err != nil {
		return nil, err
	}
	i, err := strconv.ParseInt(r.PathValue("line"), 10, 32)
	if err != nil {
		return nil, fault.New(fault.BadInput, "%q is not the number of a line", r.PathValue("line"))
	}
	e, err := a.Log.Read(seq)
	if err != nil {
		return nil, err
	}
	if e.Kind != record.KindStatements {
		return nil, fault.New(fault.BadInput, "entry %d is a %s, no batch of statements: it is proved as a whole", seq, e.Kind).WithHint("trefoil log prove %d", seq)
	}
	shown, err := record.Show(&e, i)
	if errors.Is(err, record.ErrNoPart) {
		return nil, fault.New(fault.NotFound, "the statements of entry %d have been erased", seq)
	}
	if err != nil {
		return nil, fault.New(fault.NotFound, "%w", err).WithHint("trefoil log show %d numbers its lines", seq)
	}
	return shown, nil
}

func (a *API) open(seq uint64) (*Entry, error) {
	e, err := a.Log.Read(seq)
	if err != nil {
		return nil, err
	}
	out := &Entry{Leaf: string(e.AppendText(nil)), Hash: e.Leaf.Hash().String(), Parts: []EntryPart{}}
	for _, p := range e.Parts {
		shown := EntryPart{Name: p.Name}
		if len(p.Data) > 0 && p.Data[0] == '{' && json.Valid(p.Data) {
			shown.JSON = p.Data
		} else {
			shown.Text = string(p.Data)
		}
		out.Parts = append(out.Parts, shown)
	}
	return out, nil
}

// maxShown bounds the parts of one answer: batches of statements are long.
const maxShown = 16 << 20

// entries gives up to 100 entries from 'from' on; with 'wait' it waits for the
// first for so long ("10s").
func (a *API) entries(r *http.Request, _ caller) (any, error) {
	from, err := strconv.ParseUint(r.URL.Query().Get("from"), 10, 63)
	if err != nil {
		return nil, fault.New(fault.BadInput, "from must be a sequence number")
	}
	if wait := r.URL.Query().Get("wait"); wait != "" {
		d, err := time.ParseDuration(wait)
		if err != nil || d < 0 || d > time.Minute {
			return nil, fault.New(fault.BadInput, "wait must be a duration of at most 1m")
		}
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		if err := a.Log.Wait(ctx, from); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	out := []*Entry{}
	size := 0
	for seq := from; seq < a.Log.Durable() && len(out) < 100 && size < maxShown; seq++ {
		e, err := a.open(seq)
		if err != nil {
			return nil, err
		}
		for _, p := range e.Parts {
			size += len(p.JSON) + len(p.Text)
		}
		out = append(out, e)
	}
	return out, nil
}
