package main

import (
	"fmt"
	"time"

	"github.com/trefoil-dev/trefoil/api"
	"github.com/trefoil-dev/trefoil/internal/fault"
)

type indexCmd struct {
	Rebuild rebuildIndexCmd `cmd:"" help:"Throw the index away and make it anew from the log."`
}

type rebuildIndexCmd struct {
	socket `embed:""`
}

const (
	pollEvery = 200 * time.Millisecond
	tellEvery = 5 * time.Second
)

// Run starts a rebuild and watches it. Interrupted, it leaves the rebuild to go on.
func (c *rebuildIndexCmd) Run(e *env) error {
	cl, err := c.open()
	if err != nil {
		return err
	}
	begin := time.Now()
	var st api.IndexStatus
	if err := cl.call(e.ctx, "/v1/index/rebuild", struct{}{}, &st); err != nil {
		return err
	}
	goal, told := st.Durable, begin
	for st.Indexed < goal {
		if st.Error != "" {
			return fault.New(fault.Stopping, "the rebuild does not get on at entry %d: %s", st.Indexed, st.Error).WithHint("serve tries again by itself; its log says more")
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			fmt.Fprintf(e.stderr, "%d of %d entries\n", st.Indexed, goal)
		}
		select {
		case <-time.After(pollEvery):
		case <-e.ctx.Done():
			return fault.New(fault.Denied, "not waited for: the rebuild is at entry %d of %d and goes on", st.Indexed, goal)
		}
		if err := cl.call(e.ctx, "/v1/index", nil, &st); err != nil {
			return err
		}
	}
	e.printf("the index is made anew from %d entries\n", goal)
	return nil
}
