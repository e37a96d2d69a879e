package lens

import (
	"context"
	"fmt"

	"github.com/trefoil-dev/trefoil/internal/fault"
)

// oldest is the first major version that is gated, and minimum holds, for it and
// those after, the first minor release that does not leak rows through the planner's
// statistics (CVE-2025-8713 and its elders). Later majors never did.
const oldest = 15

var minimum = map[int]int{15: 14, 16: 10, 17: 6}

// unfit says why a server of a version, as server_version_num has it, must not be
// gated; empty when it may.
func unfit(num int) string {
	major, minor := num/10000, num%10000
	switch {
	case major < oldest:
		return fmt.Sprintf("PostgreSQL %d.%d is too old; lenses need %d.%d or later", major, minor, oldest, minimum[oldest])
	case minor < minimum[major]:
		return fmt.Sprintf("PostgreSQL %d.%d leaks hidden rows through statistics (CVE-2025-8713); update it to %d.%d or later", major, minor, major, minimum[major])
	}
	return ""
}

// version gives the server's version and a sentence when it must not be gated.
func version(ctx context.Context, q Querier) (text, problem string, err error) {
	var num int
	var encoding string
	if err := q.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&num, &encoding); err != nil {
		return "", "", err
	}
	text, problem = fmt.Sprintf("%d.%d", num/10000, num%10000), unfit(num)
	if problem == "" && encoding != "UTF8" {
		problem = "the database's encoding is " + encoding + "; the gate judges statements as UTF-8, so only UTF8 can be gated"
	}
	return text, problem, nil
}

// CheckServer refuses (Conflict) a server that must not be gated. Gates call it
// before they open a dataset: a store can be restored to an older release, or its
// gate be led to another. Any role may call it.
func CheckServer(ctx context.Context, q Querier) error {
	_, problem, err := version(ctx, q)
	if err == nil && problem != "" {
		return fault.New(fault.Conflict, "%s", problem).WithHint("the operator updates the store's server; trefoil lens plan says when it will do")
	}
	return err
}
