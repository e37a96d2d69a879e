package lens

import (
	"context"
	_ "embed" // the query stands in a file of its own
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// printAge is how long a fingerprint is taken for read as long as its stamp stays
// the same.
const printAge = time.Minute

//go:embed stamp.sql
var stampSQL string

// Prints reads the fingerprints of one store's lenses for a gate, which asks at
// each session's start: the whole of one at first and once a minute, otherwise a
// stamp that changes whenever one of the catalogue's rows does. The zero value is
// ready; several sessions may use it at once.
type Prints struct {
	mu   sync.Mutex
	read map[[3]string]stamped
}

type stamped struct {
	stamp string
	print Print
	at    time.Time
}

// Check is Fingerprint, as of now.
func (p *Prints) Check(ctx context.Context, q Querier, now time.Time, dataset, lens, scope string) (Print, error) {
	key := [3]string{dataset, lens, scope}
	stamp, err := readStamp(ctx, q, dataset, lens, scope) // before the print: what changes in between changes the next stamp
	if err != nil {
		return Print{}, err
	}
	p.mu.Lock()
	known, ok := p.read[key]
	p.mu.Unlock()
	if ok && stamp != "" && known.stamp == stamp && now.Sub(known.at) < printAge {
		return known.print, nil
	}
	print, err := Fingerprint(ctx, q, dataset, lens, scope)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		delete(p.read, key)
		return print, err
	}
	if p.read == nil {
		p.read = map[[3]string]stamped{}
	}
	print.Items = nil // thousands of them, and known to be as applied
	p.read[key] = stamped{stamp, print, now}
	return print, nil
}

// readStamp gives the stamp of a lens in force, or nothing when there is none.
func readStamp(ctx context.Context, q Querier, dataset, lens, scope string) (string, error) {
	var role, schema, digest, sum string
	err := q.QueryRow(ctx, stampSQL, dataset, lens, scope).Scan(&role, &schema, &digest, &sum)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the stamp of %s/%s/%s: %w", dataset, lens, scope, err)
	}
	return role + " " + digest + " " + sum, nil
}
