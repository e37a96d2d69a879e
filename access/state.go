package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// State is what is in force as of N. It is a value: Fold gives a new one and
// leaves the old as it was.
type State struct {
	N        uint64 // entries folded
	Zone     string // of the genesis; empty before it
	Rules    *Rules // nil before the first are published
	Keys     map[string][]Key
	Requests map[uint64]Request
	Grants   map[uint64]Grant
	seen     map[string]bool // digests of signed requests, against replay
	own      bool            // the maps are this state's alone and may be changed
}

// Key is a person's enrolled SSH key.
type Key struct {
	Seq         uint64 // of its enrolment
	Authorized  string // authorized_keys form
	Fingerprint string
	Ended       uint64 // sequence of its withdrawal, or 0
}

// Request is somebody's signed wish for access.
type Request struct {
	Seq  uint64
	Time int64
	record.Request
	Approvals []Consent
	Lapses    int64  // µs UTC from which it cannot be granted; 0: never
	Closed    bool   // granted or turned down
	Grant     uint64 // sequence of its grant, or 0
}

// Consent is one person's approval.
type Consent struct {
	Login string
	Seq   uint64
}

// Grant lets one person, or a service they answer for, read one dataset through one lens for a limited time.
type Grant struct {
	Seq     uint64
	Request uint64
	Login   string // who asked for it, and answers for it
	Service string // who may use it instead; empty: Login in person
	Dataset string
	Sites   []string // empty: all of the dataset
	Lens    string
	Scope   string
	Purpose string
	From    int64  // µs UTC
	Until   int64  // µs UTC, exclusive
	Ended   uint64 // sequence of its revocation, or 0
}

// InForce says whether the grant holds at a moment.
func (g *Grant) InForce(now int64) bool { return g.Ended == 0 && now < g.Until }

// Holder is the login that may use the grant.
func (g *Grant) Holder() string {
	if g.Service != "" {
		return g.Service
	}
	return g.Login
}

// ID is the grant's name.
func (g *Grant) ID() string { return record.ID('g', g.Seq) }

// Lapsed says whether its time was over at a moment (µs UTC) without a grant or denial.
func (r *Request) Lapsed(now int64) bool { return !r.Closed && r.Lapses != 0 && now >= r.Lapses }

// lapsed refuses a request that waited too long.
func (r *Request) lapsed() *fault.Error {
	return fault.New(fault.Conflict, "request %s lapsed at %s", r.ID(), time.UnixMicro(r.Lapses).UTC().Format(time.DateTime+"Z")).
		WithHint("ask again: trefoil access request %s", r.Dataset)
}

// ID is the request's name.
func (r *Request) ID() string { return record.ID('r', r.Seq) }

// Bears says whether entries of the kind change state. The others only move N.
func Bears(k record.Kind) bool {
	switch k {
	case record.KindGenesis, record.KindRules, record.KindEnrol, record.KindWithdrawal, record.KindRequest, record.KindApproval, record.KindDenial, record.KindGrant, record.KindRevocation:
		return true
	}
	return false
}

// Fold gives the state after e, which must be entry s.N. It reads the parts
// 'actor' and 'decision' alone, and 'genesis' of entry 0. An error means that the log contradicts itself.
func Fold(s State, e record.Entry) (State, error) { return s.next(e, fold) }

// Replay is Fold for whoever reads a whole log: it changes s, which nobody else
// may hold.
func Replay(s *State, e record.Entry) (err error) {
	s.own = true
	*s, err = s.next(e, fold)
	s.own = false
	return err
}

func (s State) next(e record.Entry, fold func(State, record.Entry) (State, error)) (State, error) {
	if e.Seq != s.N {
		return s, fmt.Errorf("entry %d was folded into the state as of %d", e.Seq, s.N)
	}
	next, err := fold(s, e)
	if err != nil {
		return s, fmt.Errorf("entry %d, %s: %w", e.Seq, e.Kind, err)
	}
	next.N = e.Seq + 1
	return next, nil
}

// body reads an entry's decision part.
func body[T any](e record.Entry) (v T, err error) {
	data, err := e.Part(record.PartDecision)
	if err == nil {
		err = record.ParseCanonical(data, &v)
	}
	return v, err
}

func fold(s State, e record.Entry) (State, error) {
	switch e.Kind {
	case record.KindRules:
		b, err := body[record.Rules](e)
		if err == nil {
			s.Rules, err = LoadRules(b.Sources)
		}
		return s, err
	case record.KindGenesis:
		part, err := e.Part(record.PartGenesis)
		if err != nil {
			return s, err
		}
		text, _, _ := strings.Cut(string(part), "\n") // a signed note; the ledger checks the signature
		var b record.Genesis
		err = record.ParseCanonical([]byte(text), &b)
		s.Zone = b.Zone
		return s, err
	case record.KindEnrol:
		b, err := body[record.Enrol](e)
		key := Key{Seq: e.Seq, Authorized: b.Key, Fingerprint: b.Fingerprint}
		s.Keys = with(s.own, s.Keys, b.Login, append(slices.Clone(s.Keys[b.Login]), key))
		return s, err
	case record.KindWithdrawal:
		b, err := body[record.Withdrawal](e)
		keys := slices.Clone(s.Keys[b.Login])
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Fingerprint == b.Fingerprint })
		if err == nil && i < 0 {
			err = fmt.Errorf("%s has no key %s", b.Login, b.Fingerprint)
		}
		if err != nil {
			return s, err
		}
		if keys[i].Ended == 0 {
			keys[i].Ended = e.Seq
		}
		s.Keys = with(s.own, s.Keys, b.Login, keys)
		return s, nil
	case record.KindRequest:
		b, err := body[record.Request](e)
		r := Request{Seq: e.Seq, Time: e.Time, Request: b}
		if s.Rules != nil && s.Rules.Catalog.Lapse != 0 { // by the rules it was made under
			r.Lapses = e.Time + s.Rules.Catalog.Lapse.Microseconds()
		}
		s.Requests = with(s.own, s.Requests, e.Seq, r)
		s.seen = with(s.own, s.seen, b.Digest, true)
		return s, err
	case record.KindApproval, record.KindDenial:
		return foldVerdict(s, e)
	case record.KindGrant:
		return foldGrant(s, e)
	case record.KindRevocation:
		b, err := body[record.Revocation](e)
		g, ok := s.Grants[b.Grant]
		if err == nil && !ok {
			err = fmt.Errorf("there is no grant %d", b.Grant)
		}
		if g.Ended == 0 {
			g.Ended = e.Seq
		}
		s.Grants = with(s.own, s.Grants, b.Grant, g)
		return s, err
	}
	return s, nil
}

func foldVerdict(s State, e record.Entry) (State, error) {
	b, err := body[record.Approval](e)
	if err != nil {
		return s, err
	}
	r, ok := s.Requests[b.Object]
	if !ok || r.Digest != b.Digest {
		return s, fmt.Errorf("it is about request %d as nobody made it", b.Object)
	}
	if e.Kind == record.KindDenial {
		r.Closed = true
	} else {
		r.Approvals = append(slices.Clone(r.Approvals), Consent{Login: b.Login, Seq: e.Seq})
	}
	s.Requests = with(s.own, s.Requests, r.Seq, r)
	return s, nil
}

func foldGrant(s State, e record.Entry) (State, error) {
	b, err := body[record.Decision](e)
	if err != nil {
		return s, err
	}
	r, ok := s.Requests[b.Request]
	if !ok || r.Closed {
		return s, fmt.Errorf("request %d is not open", b.Request)
	}
	s.Grants = with(s.own, s.Grants, e.Seq, Grant{Seq: e.Seq, Request: r.Seq, Login: r.Login, Service: r.Service, Dataset: r.Dataset, Sites: r.Sites,
		Lens: r.Lens, Scope: r.Scope, Purpose: r.Purpose, From: e.Time, Until: b.Until})
	r.Closed, r.Grant = true, e.Seq
	s.Requests = with(s.own, s.Requests, r.Seq, r)
	return s, nil
}

// with is m plus one entry; m stays unchanged unless it is our own.
func with[K comparable, V any](own bool, m map[K]V, k K, v V) map[K]V {
	c := m
	if !own {
		c = maps.Clone(m)
	}
	if c == nil {
		c = make(map[K]V)
	}
	c[k] = v
	return c
}

// Held gives the grants that login may use for dataset that hold now, oldest first.
func (s *State) Held(login, dataset string, now int64) []Grant {
	var held []Grant
	for _, g := range s.Grants {
		if g.Holder() == login && g.Dataset == dataset && g.InForce(now) {
			held = append(held, g)
		}
	}
	slices.SortFunc(held, func(a, b Grant) int { return int(int64(a.Seq) - int64(b.Seq)) })
	return held
}
