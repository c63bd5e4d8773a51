package balancer

import (
	"context"

	"github.com/musterhq/muster/shared/fleet"
)

// Counters are what the current worker has counted for one endpoint on one
// route since it started.
type Counters struct {
	Service   fleet.ServiceKey
	Target    int
	Instance  string
	Sessions  int            // exchanges in all
	Responses map[string]int // by class: "2xx", "5xx" …
	// What went wrong between HAProxy and the endpoint.
	ConnectErrors, ResponseErrors, Retries, Redispatches, ServerAborts int
}

// Counters reads the counters of all endpoints. It may be called from anywhere.
func (b *Balancer) Counters(ctx context.Context) ([]Counters, error) {
	answer, err := b.runtime.ask(ctx, "show stat")
	if err != nil {
		return nil, err
	}
	rows, err := statistics(answer)
	if err != nil {
		return nil, err
	}
	var all []Counters
	for _, r := range rows {
		key, ok := serverOf(r.text("pxname"), r.text("svname"))
		if !ok {
			continue
		}
		c := Counters{
			Service: key.Service, Target: key.Target, Instance: key.Instance,
			Sessions:       r.number("stot"),
			Responses:      map[string]int{},
			ConnectErrors:  r.number("econ"),
			ResponseErrors: r.number("eresp"),
			Retries:        r.number("wretr"),
			Redispatches:   r.number("wredis"),
			ServerAborts:   r.number("srv_abrt"),
		}
		for _, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
			c.Responses[class] = r.number("hrsp_" + class)
		}
		all = append(all, c)
	}
	return all, nil
}
