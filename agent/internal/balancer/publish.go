package balancer

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// CountsPause is the least time between two reports of counts.
const CountsPause = time.Second

// Publish tells the agent what is new.
func (c *Common) Publish(up bool, problem string, pools []fleet.PoolActual) {
	actual := fleet.BalancerActual{Name: c.Options.Name, Up: up, Problem: problem, Pools: pools}
	c.Describe(&actual)
	if c.reported != nil && reflect.DeepEqual(*c.reported, actual) {
		return
	}
	c.reported = &actual
	if c.Options.Report != nil {
		c.Options.Report(actual)
	}
}

// PublishLost tells at once who has lost its traffic: see sooner.
func (c *Common) PublishLost(now []fleet.PoolActual) {
	if c.reported == nil {
		return
	}
	if report, lost := sooner(c.reported.Pools, now); lost {
		c.Publish(true, c.reported.Problem, report)
	}
}

// PublishDown tells that the program doesn't run at the moment, and why; problem is
// what else is wrong.
func (c *Common) PublishDown(problem error, pools []fleet.PoolActual) {
	down := fmt.Errorf("%s isn't running; it is started again", c.File.Program)
	if c.fault != nil {
		down = fmt.Errorf("%w: %w", down, c.fault)
	}
	c.Publish(false, text(errors.Join(problem, down)), pools)
}

// PublishCounts tells the agent what was counted, where that is news.
func (c *Common) PublishCounts(counts []fleet.PoolMetrics, news bool) {
	if news && c.Options.Counted != nil {
		c.Options.Counted(counts)
	}
}

// Measured says whether a pool's requests are to be counted.
func Measured(pool fleet.Pool) bool { return pool.Measure && !pool.Removed }

// Told is what the agent was told of counts last.
type Told struct {
	counts []fleet.PoolMetrics // nil: nothing is measured, for all that others know
	at     time.Time
}

// News are the counts of measured pools, where there is something to tell.
// Nil: from now on no pool is measured.
func (t *Told) News(balancer string, pools []fleet.Pool, now time.Time, endpoints func(*fleet.Pool) []fleet.EndpointCounts) ([]fleet.PoolMetrics, bool) {
	if t.counts == nil && !slices.ContainsFunc(pools, Measured) || now.Sub(t.at) < CountsPause {
		return nil, false
	}
	var all []fleet.PoolMetrics
	for i := range pools {
		if Measured(pools[i]) {
			all = append(all, fleet.PoolMetrics{Service: pools[i].Service, Balancer: balancer, Endpoints: endpoints(&pools[i])})
		}
	}
	if reflect.DeepEqual(all, t.counts) {
		return nil, false
	}
	t.counts, t.at = all, now
	return all, true
}
