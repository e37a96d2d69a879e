package lens

import (
	"context"
	"crypto/sha256"
	_ "embed" // the query stands in a file of its own
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// Print is what stands in a store of one lens in force.
type Print struct {
	Role, Schema string
	Digest       string            // of the compiled SQL that was applied: Compiled.Digest
	Items        map[string]string // "view users" → the first half of a SHA-256, hex
}

// Sum is one digest over the whole print. It holds oids, so it is comparable
// with other prints of the same store only.
func (p Print) Sum() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %s\n", p.Role, p.Schema, p.Digest)
	for _, k := range slices.Sorted(maps.Keys(p.Items)) {
		fmt.Fprintf(h, "%s %s\n", p.Items[k], k)
	}
	return hex.EncodeToString(h.Sum(nil))
}

//go:embed print.sql
var printSQL string

// Fingerprint reads what stands of the lens in force and compares it with what
// stood when it was applied. A difference is a fault of kind Conflict that names
// each changed view, privilege, function or role; no lens in force is NotFound.
// Gates call it at each session start, compare Digest with that of the lens they
// compiled, and Sum with the one they recorded when they opened the dataset.
func Fingerprint(ctx context.Context, q Querier, dataset, lens, scope string) (Print, error) {
	p, applied, err := readPrint(ctx, q, dataset, lens, scope)
	if err != nil {
		return Print{}, err
	}
	if diff := differences(applied, p.Items); len(diff) > 0 {
		e := fault.New(fault.Conflict, "the lens %s of dataset %s is not as it was applied: %s", p.Schema, dataset, strings.Join(diff, "; "))
		e.Detail = diff
		return p, e.WithHint("trefoil lens plan %s --site SITE --admin CONNSTRING", dataset)
	}
	return p, nil
}

func readPrint(ctx context.Context, q Querier, dataset, lens, scope string) (p Print, applied map[string]string, err error) {
	err = q.QueryRow(ctx, printSQL, dataset, lens, scope).Scan(&p.Role, &p.Schema, &p.Digest, &applied, &p.Items)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, nil, fault.New(fault.NotFound, "dataset %s has no lens %s in scope %s here", dataset, lens, scope).WithHint("trefoil lens apply %s --site SITE --admin CONNSTRING", dataset)
	}
	if err != nil {
		return p, nil, fmt.Errorf("reading the fingerprint of %s/%s/%s: %w", dataset, lens, scope, err)
	}
	return p, applied, nil
}

// differences names what changed between two prints, sorted.
func differences(want, have map[string]string) []string {
	var out []string
	for k, v := range want {
		if now, ok := have[k]; !ok {
			out = append(out, k+" is gone")
		} else if now != v {
			out = append(out, k+" was changed")
		}
	}
	for k := range have {
		if _, ok := want[k]; !ok {
			out = append(out, k+" was added")
		}
	}
	slices.Sort(out)
	return out
}

// shared tells items that all lenses of a database have in common, and that an
// apply for one dataset may renew for the others.
func shared(item string) bool {
	for _, p := range []string{"function trefoil.", "table trefoil.", "role trefoil_owner", "role trefoil_gate"} {
		if strings.HasPrefix(item, p) {
			return true
		}
	}
	return false
}
