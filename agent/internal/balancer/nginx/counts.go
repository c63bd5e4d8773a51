package nginx

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// countsPause is the least time between two reports of counts.
const countsPause = time.Second

// maxAverage is the longest that an answer is believed to take, in milliseconds.
const maxAverage = 86_400_000

// samples is of how many requests an average is, at most.
const samples = 512

// account is what is counted for an endpoint, over all of its routes, since it
// was first wanted.
type account struct {
	requests, failed, retried uint64
	average                   float64 // in milliseconds
	timed                     int     // requests that are in it
}

// owner is whose account an address belongs to.
type owner struct {
	service  fleet.ServiceKey
	instance string
}

func measured(pool fleet.Pool) bool { return pool.Measure && !pool.Removed }

// follow says what is to be counted: the endpoints of measured pools.
func (l *ledger) follow(pools []fleet.Pool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.measured = slices.ContainsFunc(pools, measured)
	accounts, owners := map[owner]*account{}, map[string]owner{}
	for _, pool := range pools {
		if !measured(pool) {
			continue
		}
		for _, endpoint := range pool.Endpoints {
			of := owner{pool.Service, endpoint.Instance}
			if accounts[of] = l.accounts[of]; accounts[of] == nil {
				accounts[of] = &account{}
			}
			for target := range endpoint.Ports {
				if at, ok := serverAddress(lbconf.ServerAddress(endpoint, target)); ok {
					owners[at.String()] = of
				}
			}
		}
	}
	l.accounts, l.owners = accounts, owners
}

// count takes in a line of nginx's log: see lbconf. Several attempts have their
// addresses, answers and times in a row.
func (l *ledger) count(line string) {
	_, line, found := strings.Cut(line, "muster|")
	parts := strings.Split(strings.TrimSpace(line), "|")
	if !found || len(parts) != 4 {
		return
	}
	addresses, answers, times := attempts(parts[1]), attempts(parts[2]), attempts(parts[3])
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, at := range addresses {
		a := l.accounts[l.owners[at]]
		if a == nil {
			continue
		}
		if i < len(addresses)-1 {
			a.retried++
			continue
		}
		a.requests++
		answer := answers[min(i, len(answers)-1)]
		if answer == "" || answer[0] == '5' {
			a.failed++
		}
		if seconds, err := strconv.ParseFloat(times[min(i, len(times)-1)], 64); err == nil && seconds >= 0 && seconds*1000 <= maxAverage {
			a.timed = min(a.timed+1, samples)
			a.average += (seconds*1000 - a.average) / float64(a.timed)
		}
	}
}

// attempts takes apart "a, b : c".
func attempts(text string) []string {
	return strings.Split(strings.ReplaceAll(text, " : ", ", "), ", ")
}

// news are the counts of measured pools, where there is something to tell.
// Nil: from now on no pool is measured.
func (l *ledger) news(balancer string, pools []fleet.Pool, now time.Time) ([]fleet.PoolMetrics, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.measured && l.told == nil || now.Sub(l.toldAt) < countsPause {
		return nil, false
	}
	var all []fleet.PoolMetrics
	for _, pool := range pools {
		if !measured(pool) {
			continue
		}
		counts := []fleet.EndpointCounts{}
		for _, e := range pool.Endpoints {
			if a := l.accounts[owner{pool.Service, e.Instance}]; a != nil {
				counts = append(counts, fleet.EndpointCounts{
					Instance: e.Instance, Version: e.Version, Requests: a.requests, Failed: a.failed, Retried: a.retried, AverageMS: int(a.average),
				})
			}
		}
		all = append(all, fleet.PoolMetrics{Service: pool.Service, Balancer: balancer, Endpoints: counts})
	}
	if reflect.DeepEqual(all, l.told) {
		return nil, false
	}
	l.told, l.toldAt = all, now
	return all, true
}

// account opens the log that pools are measured by, and tells the agent what was
// counted.
func (b *Balancer) account() {
	pools := b.wanted()
	b.ledger.follow(pools)
	if slices.ContainsFunc(pools, measured) || slices.ContainsFunc(b.memory.Filed, measured) {
		_, uid := workersUser()
		if err := b.ledger.open(b.logDir(), uid); err != nil {
			b.log.Warn("requests can't be counted", "error", err)
		}
	}
	if counts, news := b.ledger.news(b.options.Name, pools, time.Now()); news && b.options.Counted != nil {
		b.options.Counted(counts)
	}
}
