package leak

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"
)

var only = flag.Uint64("seed", 0, "run the script of this seed alone")

// lenses are looked at through two stores each, one after the other.
var lenses = []struct {
	name      string
	other     int
	orderless bool
}{
	{"masked-bulk", values, false},
	{"masked-case", people, false},
	{"pseudonymous-bulk", values, false},
	{"pseudonymous-case", people, false},
	{"masked-case", grown, true},
	{"clear-case", grown, true},
}

const workers = 3 // on each pair of stores

func TestLeak(t *testing.T) {
	s := newStage(t, grown)
	seed := number(t, "TREFOIL_SEED", randomSeed())
	var all tally
	began := time.Now()
	for _, l := range lenses {
		name := l.name + "-" + sites[l.other]
		t.Run(name, func(t *testing.T) {
			var pairs []*pair
			for range workers {
				pairs = append(pairs, s.pair(t, l.name, l.other))
			}
			sum := look(t, pairs, s.language(l.name, l.orderless), seconds(t)/time.Duration(len(lenses)), seed, func(p *pair, seed uint64, found *leak) {
				report(t, p, seed, found)
			})
			t.Logf("%s: %s", name, &sum)
			if *only == 0 {
				sum.check(t)
			}
			all.add(sum)
		})
	}
	t.Logf("TREFOIL_SEED=%d: %s; %.0f/s; %s", seed, &all, float64(all.statements)/time.Since(began).Seconds(), all.frequent())
}

// check keeps the test from being vacuous: statements that all fail show nothing.
func (t *tally) check(tb testing.TB) {
	tb.Helper()
	if t.statements < 50 || 10*t.withRows < 3*t.reading {
		tb.Errorf("%d of %d queries gave rows; the grammar must write better ones", t.withRows, t.reading)
	}
	if 20*t.timeouts > t.statements {
		tb.Errorf("%d of %d statements ran into the timeout, after which nothing is compared", t.timeouts, t.statements)
	}
}

// look sends the scripts of one seed after the other until the time is over or
// something leaks.
func look(t *testing.T, pairs []*pair, lang *language, limit time.Duration, seed uint64, leaked func(*pair, uint64, *leak)) (sum tally) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	end, done, next := time.Now().Add(limit), false, seed
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		if *only != 0 {
			return *only, next == seed+1
		}
		return next, !done && time.Now().Before(end)
	}
	for _, p := range pairs {
		wg.Go(func() {
			for n, more := take(); more; n, more = take() {
				var one tally
				found, err := p.run(lang.write(n), &one)
				mu.Lock()
				sum.add(one)
				first := !done
				done = done || found != nil || err != nil
				mu.Unlock()
				if err != nil {
					t.Errorf("seed %d: %v", n, err)
				} else if found != nil && first {
					leaked(p, n, found)
				}
			}
		})
	}
	wg.Wait()
	return sum
}

func report(t *testing.T, p *pair, seed uint64, found *leak) {
	t.Helper()
	short, err := p.shrink(found)
	again := "in new sessions too"
	if short == nil {
		short, again = found, fmt.Sprintf("but not again in new sessions (%v)", err)
	}
	t.Errorf("%s and %s answer differently, %s; repeat it with: go test ./test/leak -run %s -seed %d\n%s%s",
		sites[p.stores[0]], sites[p.stores[1]], again, t.Name(), seed, short.script, short.what)
}
