package nginx

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

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

// follow says what is to be counted: the endpoints of measured pools.
func (l *ledger) follow(pools []fleet.Pool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	accounts, owners := map[owner]*account{}, map[string]owner{}
	for _, pool := range pools {
		if !balancer.Measured(pool) {
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

func (l *ledger) news(name string, pools []fleet.Pool, now time.Time) ([]fleet.PoolMetrics, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told.News(name, pools, now, l.endpoints)
}

// endpoints are the counts of a pool's; mu is held.
func (l *ledger) endpoints(pool *fleet.Pool) []fleet.EndpointCounts {
	counts := []fleet.EndpointCounts{}
	for _, e := range pool.Endpoints {
		if a := l.accounts[owner{pool.Service, e.Instance}]; a != nil {
			counts = append(counts, fleet.EndpointCounts{
				Instance: e.Instance, Version: e.Version, Requests: a.requests, Failed: a.failed, Retried: a.retried, AverageMS: int(a.average),
			})
		}
	}
	return counts
}

// account opens the log that pools are measured by, and tells the agent what was
// counted.
func (b *Balancer) account() {
	pools := b.Wanted()
	b.ledger.follow(pools)
	if slices.ContainsFunc(pools, balancer.Measured) || slices.ContainsFunc(b.Memory.Filed, balancer.Measured) {
		_, uid := workersUser()
		if err := b.ledger.open(b.logDir(), uid); err != nil {
			b.Log.Warn("requests can't be counted", "error", err)
		}
	}
	b.PublishCounts(b.ledger.news(b.Options.Name, pools, time.Now()))
}
