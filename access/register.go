package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trefoil-dev/trefoil/catalog"
	"github.com/trefoil-dev/trefoil/identity"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/policy"
	"github.com/trefoil-dev/trefoil/record"
)

// Log is what the register needs of the ledger.
type Log interface {
	Append(*record.Draft) (record.Ref, error)
	AppendRules(*record.Draft, record.Hash) (record.Ref, error)
	Wait(ctx context.Context, seq uint64) error
	Next() uint64
	Origin() string
}

// Register keeps the state and is the only one to append entries that bear on it.
type Register struct {
	log    Log
	clock  func() time.Time
	origin string
	lenses []string
	mu     sync.Mutex // from reading the state to having folded the outcome
	state  atomic.Pointer[State]
	change func(*State)
	open   func() (*identity.Database, error) // the country database; nil: none
	keys   KeyCheck
}

// KeyCheck refuses subjects that can be no keys of the dataset, as the stores of
// the sites (none: all) have them. The error is a fault.
type KeyCheck func(ctx context.Context, ds *catalog.Dataset, sites []string, lens string, subjects []string) error

// NewRegister continues from a state folded from the log's start. lenses are
// those that exist, in any order. change is called under the register's lock
// after every entry that bears on state; it must not call the register.
func NewRegister(log Log, clock func() time.Time, state State, lenses []string, change func(*State)) *Register {
	r := &Register{log: log, clock: clock, origin: log.Origin(), lenses: lenses, change: change}
	r.state.Store(&state)
	return r
}

// UseKeys has the subjects of requests checked before anything is recorded. It
// comes before anything is decided; without it every key is taken.
func (r *Register) UseKeys(check KeyCheck) { r.keys = check }

// UseDatabase has the country database opened that rules may go with: now, if
// those in force do, and whenever others are published. It comes before anything
// is decided. The error is a fault.
func (r *Register) UseDatabase(open func() (*identity.Database, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = open
	if rules := r.state.Load().Rules; rules != nil {
		return r.database(rules)
	}
	return nil
}

// database gives rules the country database that they go with.
func (r *Register) database(rules *Rules) error {
	if rules.Facts.Countries.Needs() == "" {
		return nil
	}
	var d *identity.Database
	var err error
	if r.open != nil {
		d, err = r.open()
	}
	if err == nil {
		err = rules.Facts.Countries.Use(d)
	}
	if err != nil {
		return fault.New(fault.BadInput, "rules.country_database: %s", err).WithHint("put that file back, or trefoil publish the one that is there")
	}
	return nil
}

// State is what is in force now. It must not be changed.
func (r *Register) State() *State { return r.state.Load() }

// asOfNext is the state as of the next entry: nothing that bears on it can come
// between, because r.mu is held.
func (r *Register) asOfNext() *State {
	s := *r.state.Load()
	s.N = r.log.Next()
	return &s
}

// put appends an entry and folds it.
func (r *Register) put(d *record.Draft, rules *Rules) (record.Ref, error) {
	var ref record.Ref
	var err error
	if rules != nil {
		ref, err = r.log.AppendRules(d, rules.Digest)
	} else {
		ref, err = r.log.Append(d)
	}
	if err != nil || !Bears(d.Kind) {
		return ref, err
	}
	s := *r.state.Load()
	s.N = ref.Seq // the entries between bear on nothing
	next, err := Fold(s, d.Entry(ref))
	if err != nil {
		return ref, err
	}
	if rules != nil { // the very same, with their country database
		next.Rules = rules
	}
	r.state.Store(&next)
	r.change(&next)
	return ref, nil
}

// start makes a draft with the actor's part.
func start(kind record.Kind, outcome record.Outcome, purpose string, actor record.Actor, decision any) (*record.Draft, error) {
	d := new(record.Draft)
	d.Reset(kind, outcome, purpose)
	if err := d.AddJSON(record.PartActor, actor); err != nil {
		return nil, err
	}
	return d, d.AddJSON(record.PartDecision, decision)
}

func addSigned(d *record.Draft, s Signed) {
	d.Add(record.PartSigned, s.Document)
	d.Add(record.PartSignature, s.Signature)
	if s.Reason != nil {
		d.Parts = append(d.Parts, *s.Reason)
	}
	d.Parts = append(d.Parts, s.Subjects...)
}

// Publish puts a set of rules in force. They take effect at once and say so,
// because there is no overseer yet to countersign them. after is the digest of the
// rules that the publisher saw in force, "none" before the first, or empty for
// whichever are: when others are by now, nothing is published and the error is a
// fault.Conflict.
func (r *Register) Publish(ctx context.Context, actor record.Actor, sources []record.Source, after string) (record.Ref, *Rules, error) {
	rules, err := LoadRules(sources)
	if err != nil {
		return record.Ref{}, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now, inForce := r.state.Load().Rules, "none"
	if now != nil {
		inForce = now.Digest.String()
	}
	if after != "" && after != inForce {
		return record.Ref{}, nil, fault.New(fault.Conflict, "other rules are in force by now: %s", inForce).WithHint("trefoil publish, to see the differences to those")
	}
	if err := rules.Check(r.state.Load().Zone); err != nil {
		return record.Ref{}, nil, err
	}
	if now != nil && now.Digest == rules.Digest {
		return record.Ref{}, nil, fault.New(fault.Conflict, "these very rules are in force already")
	}
	if err := r.database(rules); err != nil {
		return record.Ref{}, nil, err
	}
	d, err := start(record.KindRules, record.None, "", actor, record.Rules{Sources: rules.Sources})
	if err != nil {
		return record.Ref{}, nil, err
	}
	ref, err := r.put(d, rules)
	if err == nil {
		err = r.log.Wait(ctx, ref.Seq)
	}
	return ref, rules, err
}

// Enrol binds a public key, as ssh-keygen writes it, to a person of the directory.
func (r *Register) Enrol(ctx context.Context, actor record.Actor, login string, authorized []byte) (Key, error) {
	pub, _, err := identity.ParseAuthorizedKey(authorized)
	if err != nil {
		return Key{}, fault.New(fault.BadInput, "that is not a public key: %w", err).WithHint("give the .pub file that ssh-keygen made")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state.Load()
	if s.Rules == nil {
		return Key{}, errNoRules()
	}
	if _, err := s.Rules.Facts.Directory.Person(login); err != nil {
		return Key{}, err
	}
	key := identity.Enrolled(pub)
	for other, keys := range s.Keys {
		if slices.ContainsFunc(keys, func(k Key) bool { return k.Fingerprint == key.Fingerprint }) {
			return Key{}, fault.New(fault.Conflict, "this key is enrolled already, for %s, or was until it was withdrawn", other)
		}
	}
	d, err := start(record.KindEnrol, record.None, "", actor, record.Enrol{Login: login, Key: key.Authorized, Fingerprint: key.Fingerprint})
	if err != nil {
		return Key{}, err
	}
	ref, err := r.put(d, nil)
	if err == nil {
		err = r.log.Wait(ctx, ref.Seq)
	}
	return Key{Seq: ref.Seq, Authorized: key.Authorized, Fingerprint: key.Fingerprint}, err
}

// Withdraw ends a key of a person's, who may have left the directory already.
func (r *Register) Withdraw(ctx context.Context, actor record.Actor, login, fingerprint string) (Key, error) {
	r.mu.Lock()
	key, err := r.withdraw(actor, login, fingerprint)
	r.mu.Unlock()
	if err == nil {
		err = r.log.Wait(ctx, key.Ended)
	}
	return key, err
}

func (r *Register) withdraw(actor record.Actor, login, fingerprint string) (Key, error) {
	keys := r.state.Load().Keys[login]
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Fingerprint == fingerprint && k.Ended == 0 })
	if i < 0 {
		return Key{}, fault.New(fault.NotFound, "%q has no key %s that counts", login, fingerprint).WithHint("trefoil log search --person %s --kind enrol shows theirs", login)
	}
	d, err := start(record.KindWithdrawal, record.None, "", actor, record.Withdrawal{Login: login, Fingerprint: fingerprint})
	if err != nil {
		return Key{}, err
	}
	ref, err := r.put(d, nil)
	key := keys[i]
	key.Ended = ref.Seq
	return key, err
}

// Outcome is what came of a request or of a verdict on it.
type Outcome struct {
	Request Request
	Entry   uint64          // of the grant or refusal
	Grant   *Grant          // nil: not granted
	Refusal *policy.Refusal // nil: granted, or nothing was decided
}

// decide asks policy about a request as of now and records the answer. r.mu is held.
func (r *Register) decide(seq uint64, now int64) (Outcome, error) {
	s := r.asOfNext()
	req := s.Requests[seq]
	if req.Lapsed(now) { // while its last approval was being recorded
		return Outcome{Request: req}, r.refuse(s, &req, record.Decision{N: s.N, Request: seq}, req.lapsed())
	}
	in, err := s.Question(&req, "", noAddr, now)
	if err != nil {
		return Outcome{Request: req}, r.refuse(s, &req, record.Decision{N: s.N, Request: seq}, err)
	}
	verdict := s.Rules.Book.Decide(in)
	body := decision(s.N, in, verdict)
	body.Request, body.Until = seq, now+req.Seconds*1e6
	if verdict.Allow {
		err := unmet(verdict.Duties)
		if !slices.Contains(s.lenses(req.Dataset, r.lenses), req.Lens) {
			err = fault.New(fault.Denied, "policy permits %s access, but stores have no such lens of dataset %s", req.Lens, req.Dataset)
		}
		if err != nil {
			body.Allow = false
			return Outcome{Request: req}, r.refuse(s, &req, body, err)
		}
	}
	kind, outcome := record.KindGrant, record.Allowed
	if !verdict.Allow {
		kind, outcome, body.Until = record.KindRefusal, record.Denied, 0
	}
	d, err := start(kind, outcome, req.Purpose, record.Actor{Login: req.Login}, body)
	if err != nil {
		return Outcome{}, err
	}
	ref, err := r.put(d, nil)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Request: r.state.Load().Requests[seq], Entry: ref.Seq}
	if verdict.Allow {
		g := r.state.Load().Grants[ref.Seq]
		out.Grant = &g
	} else {
		why := s.Rules.Book.Rules.Explain(in, verdict, s.lenses(req.Dataset, r.lenses))
		why.Hint = strings.ReplaceAll(why.Hint, "REQUEST", req.ID())
		out.Refusal = &why
	}
	return out, nil
}

// refuse records a refusal for a reason outside policy and gives the reason back.
func (r *Register) refuse(s *State, req *Request, body record.Decision, why error) error {
	f := fault.Public(why)
	body.Why, body.Engine = f.Message, policy.Engine
	d, err := start(record.KindRefusal, record.Denied, req.Purpose, record.Actor{Login: req.Login}, body)
	if err == nil {
		_, err = r.put(d, nil)
	}
	return errors.Join(why, err)
}

// lenses are those of a release that the catalogue gives a dataset.
func (s *State) lenses(dataset string, release []string) []string {
	ds := s.Rules.Catalog.Dataset(dataset)
	return slices.DeleteFunc(slices.Clone(release), func(name string) bool {
		return ds == nil || !slices.ContainsFunc(catalog.Lenses(), func(l catalog.Level) bool { return l.String() == name && ds.In(l) })
	})
}

// unmet refuses what policy permits only under a duty that nobody can fulfil
// here: rows that may leave only after an overseer has seen or decided the same.
// Other duties are people's, and are recorded with the decision.
func unmet(duties []string) error {
	for _, d := range duties {
		if mode, ok := strings.CutPrefix(d, "release:"); ok && mode != "recorded" {
			return fault.New(fault.Denied, "policy permits this access only if an overseer has it %s before a row leaves, and there is no overseer", mode).
				WithHint("ask for another lens, or have the rules' duty %s changed", d)
		}
	}
	return nil
}

func decision(n uint64, in policy.Input, v policy.Decision) record.Decision {
	return record.Decision{N: n, Engine: policy.Engine, Input: in.Canonical(), Allow: v.Allow, Reasons: v.Reasons, Errors: v.Errors, Duties: v.Duties}
}
