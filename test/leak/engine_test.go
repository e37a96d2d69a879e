package leak

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// pair is two sessions under the same lens, one in each store.
type pair struct {
	dial   func(store int) (*session, error)
	stores [2]int
	open   [2]*session
}

// tally counts what was sent.
type tally struct {
	scripts, statements, reading, withRows, failed, timeouts, reordered int
	states                                                              map[string]int
}

func (t *tally) add(o tally) {
	t.scripts += o.scripts
	t.statements += o.statements
	t.reading += o.reading
	t.withRows += o.withRows
	t.failed += o.failed
	t.timeouts += o.timeouts
	t.reordered += o.reordered
	if t.states == nil {
		t.states = map[string]int{}
	}
	for s, n := range o.states {
		t.states[s] += n
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("%d scripts, %d statements in each store, %d queries, of which %d gave rows (%d %%); %d failed with %d SQLSTATEs, %d ran into the timeout, %d gave the same rows in another order or failed elsewhere",
		t.scripts, t.statements, t.reading, t.withRows, 100*t.withRows/max(1, t.reading), t.failed, len(t.states), t.timeouts, t.reordered)
}

func (t *tally) frequent() string {
	list := slices.SortedFunc(maps.Keys(t.states), func(a, b string) int { return t.states[b] - t.states[a] })
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%s×%d", s, t.states[s]))
	}
	return strings.Join(out, " ")
}

// control matches what gives no rows even when it succeeds.
var control = regexp.MustCompile(`^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|DECLARE|PREPARE|DEALLOCATE|CLOSE|MOVE|SET|RESET)\b`)

// leak is a step that two stores answer in different ways.
type leak struct {
	script script
	at     int
	what   string
}

const reset = "ROLLBACK|DISCARD ALL|" + timeout

// run sends a script to both stores. It gives the first difference, nil if there is none.
func (p *pair) run(s script, t *tally) (*leak, error) {
	t.scripts++
	var found *leak
	timedOut := false
	for i, st := range s.steps {
		a, b, err := p.both(st)
		if err != nil {
			return nil, fmt.Errorf("step %d of\n%s: %w", i+1, s, err)
		}
		t.statements++
		if !control.MatchString(st.sql) {
			t.reading++
		}
		switch {
		case a.state == "57014" || b.state == "57014":
			t.timeouts++
			timedOut = true // what the two are in from here on may differ
		case a.state != "":
			t.failed++
			if t.states == nil {
				t.states = map[string]int{}
			}
			t.states[a.state]++
		case a.rows > 0:
			t.withRows++
		}
		if !timedOut && !same(st, a, b, t) {
			found = &leak{script: s, at: i, what: difference(a, b)}
		}
		if a.closed || b.closed {
			p.close()
			return found, nil
		}
		if found != nil || timedOut || st.must && a.state != "" {
			break
		}
	}
	if !s.state && !timedOut {
		return found, nil
	}
	for sql := range strings.SplitSeq(reset, "|") {
		a, b, err := p.both(step{sql: sql})
		if err != nil {
			return nil, err
		}
		if a.state+b.state != "" || a.closed || b.closed {
			p.close()
			break
		}
	}
	return found, nil
}

func same(st step, a, b reply, t *tally) bool {
	if a.closed == b.closed && bytes.Equal(a.bytes, b.bytes) {
		return true
	}
	// With another plan another row fails first, or none: what would fail is not looked at.
	failed := st.planned && a.state+b.state != ""
	if !failed && (!st.unordered || a.sorted() != b.sorted()) {
		return false
	}
	t.reordered++
	return true
}

// both sends a step to both stores at once and waits for both answers.
func (p *pair) both(st step) (a, b reply, err error) {
	var answers [2]reply
	for i := range p.open {
		if p.open[i] == nil {
			if p.open[i], err = p.dial(p.stores[i]); err != nil {
				return a, b, err
			}
		}
	}
	for _, s := range p.open {
		err = errors.Join(err, s.send(st))
	}
	for i, s := range p.open {
		r, e := s.receive()
		answers[i], err = r, errors.Join(err, e)
	}
	if err != nil {
		p.close()
	}
	return answers[0], answers[1], err
}

func (p *pair) close() {
	for i, s := range p.open {
		if s != nil {
			s.close()
		}
		p.open[i] = nil
	}
}

// shrink leaves out the steps that a leak does not need. nil: it did not happen
// again in new sessions.
func (p *pair) shrink(l *leak) (*leak, error) {
	again := func(s script) (*leak, error) {
		p.close()
		s.state = true
		return p.run(s, &tally{})
	}
	best, err := again(script{steps: l.script.steps[:l.at+1]})
	if best == nil || err != nil {
		return nil, err
	}
	for i := len(best.script.steps) - 2; i >= 0; i-- {
		shorter, err := again(script{steps: slices.Delete(slices.Clone(best.script.steps), i, i+1)})
		if err != nil {
			return nil, err
		}
		if shorter != nil {
			best = shorter
			i = min(i, len(best.script.steps)-1)
		}
	}
	return best, nil
}
