package pggate

import (
	"encoding/binary"
	"errors"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// portal is what a Bind made of a portal's name.
type portal struct {
	pos     uint64
	segment uint64
}

// maxPortals bounds the portals one session may have bound at once.
const maxPortals = 1000

// query takes a simple Query.
func (r *relay) query(body []byte) (*refusal, *fault.Error) {
	text, rest, ok := cut(body)
	if !ok || len(rest) != 0 {
		return nil, malformed(msgQuery)
	}
	if why := r.settle(); why != nil {
		return nil, why
	}
	u := &r.up
	u.verdict.judge(text)
	u.statement = Statement{Protocol: Simple, SQL: text, Kind: u.verdict.kind, Label: u.verdict.label}
	clear(u.portals) // the Query may end the transaction they live in
	if u.verdict.refuse != nil {
		return r.refuse(stepQuery, u.verdict.refuse)
	}
	u.renamed = u.renamed || u.verdict.renames
	pos, refused, why := r.record(stepQuery)
	if why != nil || refused != nil {
		return refused, why
	}
	u.verdict.pin(text)
	return nil, r.expect(item{step: stepQuery, entry: true, pos: pos})
}

// parse takes a Parse: judged, kept, and recorded later (settle) or by its Bind.
func (r *relay) parse(body []byte) (*refusal, *fault.Error) {
	m, ok := readParse(body)
	if !ok {
		return nil, malformed(msgParse)
	}
	if why := r.settle(); why != nil {
		return nil, why
	}
	u := &r.up
	u.verdict.judge(m.text)
	u.statement = Statement{Protocol: Prepare, SQL: m.text, Kind: u.verdict.kind, Label: u.verdict.label, Name: m.name}
	if u.verdict.refuse != nil {
		return r.refuse(stepParse, u.verdict.refuse)
	}
	def, why := r.names.define(m.name, &u.verdict, m.text, u.segment)
	if why != nil {
		return r.refuse(stepParse, why)
	}
	u.renamed = u.renamed || u.verdict.renames
	for o := m.oids; len(o) >= 4; o = o[4:] {
		def.oids = append(def.oids, binary.BigEndian.Uint32(o))
	}
	u.verdict.pin(m.text) // def and the record keep what the client sent
	u.loose, u.name = def, append(u.name[:0], m.name...)
	return nil, r.expect(item{step: stepParse, def: def})
}

// settle gives a Parse that no Bind has followed an entry of its own. It is called
// before anything else is recorded or forwarded.
func (r *relay) settle() *fault.Error {
	u := &r.up
	def := u.loose
	if def == nil {
		return nil
	}
	u.loose = nil
	u.statement = Statement{Protocol: Prepare, SQL: def.text, Kind: def.kind, Label: def.label, Name: u.name}
	pos, err := r.sess.Statement(&u.statement)
	if err != nil {
		// The Parse is queued already, so this one cannot be refused by itself.
		return fault.Public(err)
	}
	r.noted(pos)
	r.due.recorded(def, pos)
	return nil
}

// bind takes a Bind and records the statement with its parameters.
func (r *relay) bind(body []byte) (*refusal, *fault.Error) {
	u := &r.up
	m, ok := readBind(body, u.params)
	if !ok {
		return nil, malformed(msgBind)
	}
	u.params = m.params
	def, why := r.definition(m.name)
	if why != nil {
		return nil, why
	}
	covers := def != nil && def == u.loose
	if !covers {
		if why := r.settle(); why != nil {
			return nil, why
		}
	}
	u.statement = Statement{Protocol: ByName, Name: m.name, Portal: m.portal, Params: m.params, Ambiguous: u.renamed && len(m.name) > 0}
	if def != nil {
		s := &u.statement
		s.Protocol, s.SQL, s.Kind, s.Label = Extended, def.text, def.kind, def.label
		for i := range min(len(s.Params), len(def.oids)) {
			s.Params[i].OID = def.oids[i]
		}
	}
	if _, known := u.portals[string(m.portal)]; !known && len(u.portals) >= maxPortals {
		r.dropPortals()
	}
	pos, refused, why := r.record(stepBind)
	if why != nil || refused != nil {
		return refused, why
	}
	if covers {
		u.loose = nil
	}
	u.portals[string(m.portal)] = portal{pos: pos, segment: u.segment}
	return nil, r.expect(item{step: stepBind, entry: true, pos: pos})
}

// execute takes an Execute. Its rows belong to the entry of the portal's Bind. When
// the portal may not be that Bind's any more (its transaction has ended, an error
// came in between, SQL may have made a cursor of that name), it gets its own.
func (r *relay) execute(body []byte) (*refusal, *fault.Error) {
	name, rest, ok := cut(body)
	if !ok || len(rest) != 4 {
		return nil, malformed(msgExecute)
	}
	u := &r.up
	if why := r.settle(); why != nil {
		return nil, why
	}
	p, known := u.portals[string(name)]
	current := known && p.segment == u.segment
	if current || known && !u.renamed && p.segment >= r.voided.Load() {
		return nil, r.expect(item{step: stepExecute, entry: true, pos: p.pos})
	}
	delete(u.portals, string(name))
	u.statement = Statement{Protocol: ByName, Portal: name}
	pos, refused, why := r.record(stepExecute)
	if why != nil || refused != nil {
		return refused, why
	}
	return nil, r.expect(item{step: stepExecute, entry: true, pos: pos})
}

// dropPortals forgets portals; an Execute of one that is still there is recorded by
// name. Those of the current segment are kept.
func (r *relay) dropPortals() {
	for name, p := range r.up.portals {
		if p.segment != r.up.segment {
			delete(r.up.portals, name)
		}
	}
	if len(r.up.portals) >= maxPortals {
		clear(r.up.portals)
	}
}

// named takes a Describe or a Close: 'S' or 'P' and a name.
func (r *relay) named(body []byte, s step) *fault.Error {
	if len(body) == 0 || body[0] != 'S' && body[0] != 'P' {
		return malformed(msgDescribe)
	}
	name, rest, ok := cut(body[1:])
	if !ok || len(rest) != 0 {
		return malformed(msgDescribe)
	}
	it := item{step: s}
	if s == stepClose {
		if why := r.settle(); why != nil {
			return why
		}
		if body[0] == 'S' {
			var why *fault.Error
			if it.def, why = r.definition(name); why != nil {
				return why
			}
		} else {
			delete(r.up.portals, string(name))
		}
	}
	return r.expect(it)
}

// record makes the entry of up.statement. refused is set when the desk refused this
// statement and the session goes on.
func (r *relay) record(s step) (pos uint64, refused *refusal, why *fault.Error) {
	pos, err := r.sess.Statement(&r.up.statement)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) && (f.Kind == fault.Statement || f.Kind == fault.Denied || f.Kind == fault.TooLarge) {
			r.up.loose = nil
			refused, why = r.refuse(s, f)
			return 0, refused, why
		}
		return 0, nil, fault.Public(err)
	}
	r.noted(pos)
	return pos, nil, nil
}

// refuse records that up.statement was refused and queues its stand-in.
func (r *relay) refuse(s step, f *fault.Error) (*refusal, *fault.Error) {
	pos, err := r.sess.Refused(&r.up.statement, f)
	if err != nil {
		return nil, fault.Public(err)
	}
	r.up.refused++
	r.raise(pos)
	ref := newRefusal(f)
	if s != stepQuery {
		s = stepParse
	}
	return ref, r.expect(item{step: s, refusal: ref})
}

// noted counts a statement and holds the store's bytes for its record.
func (r *relay) noted(pos uint64) {
	r.up.statements++
	r.raise(pos)
}

func (r *relay) raise(pos uint64) {
	if pos+1 > r.last.Load() {
		r.last.Store(pos + 1)
	}
}

// expect queues the answer to a message about to be forwarded.
func (r *relay) expect(it item) *fault.Error {
	it.start, it.segment = r.now(), r.up.segment
	if r.due.full() {
		// The answers waited for are those to messages that have been sent.
		if why := r.flush(); why != nil {
			return why
		}
	}
	return r.due.push(it)
}

// definition is what a prepared statement's name means to the store by the time it
// reads the message being taken; nil when no Parse has made it.
func (r *relay) definition(name []byte) (*prepared, *fault.Error) {
	if r.names.unsure(name, r.up.segment) {
		if why := r.flush(); why != nil {
			return nil, why
		}
	}
	def, ok := r.names.lookup(name, r.up.segment)
	if !ok {
		return nil, errEnded()
	}
	return def, nil
}

// errEnded is for a goroutine that finds the session ended under it; the cause
// given at the end is the one that counts.
func errEnded() *fault.Error { return fault.New(fault.Stopping, "the session has ended") }

func malformed(kind byte) *fault.Error {
	return fault.New(fault.Protocol, "malformed %s message", map[byte]string{
		msgQuery: "Query", msgParse: "Parse", msgBind: "Bind", msgExecute: "Execute", msgDescribe: "Describe or Close",
	}[kind])
}
