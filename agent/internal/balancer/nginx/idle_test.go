package nginx

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Clients that rest on connections to workers of before may ask those for anybody
// whom they know: until they have gone, nobody of these is drained.
func TestClientsThatRestHoldDrainedBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")
	for round := range 2 {
		id := fmt.Sprintf("c%d", round)
		c := newProgram(t, id)
		web.Endpoints = append(web.Endpoints, c.endpoint(fleet.EndpointReady))
		r.apply(web)
		r.ready(web, id)
		var rest []*client
		for range 8 {
			one := &client{address: address(web), again: !keepsClients}
			defer one.close()
			if _, err := one.post("/"); err != nil {
				t.Fatal(err)
			}
			rest = append(rest, one)
		}
		set(web, id, fleet.EndpointDraining)
		r.apply(web)
		began := time.Now()
		r.drained(web, id)
		t.Logf("%s was drained after %s; workers that shut down: %v", id, time.Since(began), r.pids().old)
		if keepsClients && time.Since(began) < 5*time.Second {
			t.Errorf("%s was drained after %s, while clients rested with workers of before", id, time.Since(began))
		}
		c.exit()
		for i, one := range rest { // their connections are closed by now, or lead to others
			one.again = true
			if who, err := one.post("/"); err != nil || who == id {
				t.Errorf("client %d, which rested: %q, %v", i, who, err)
			}
		}
		remove(web, id)
		r.apply(web)
	}
}
