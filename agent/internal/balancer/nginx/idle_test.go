package nginx

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
)

// Clients that rest on connections to workers of before may ask those for anybody
// whom they know: until they have gone, nobody of these is drained.
func TestClientsThatRestHoldDrainedBack(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	web.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	for round := range 2 {
		id := fmt.Sprintf("c%d", round)
		c := lbtest.NewProgram(t, id)
		web.Endpoints = append(web.Endpoints, c.Endpoint(fleet.EndpointReady))
		r.Apply(web)
		r.Ready(web, id)
		var rest []*lbtest.Client
		for range 8 {
			one := &lbtest.Client{Address: lbtest.Address(web), Again: !keepsClients}
			defer one.Close()
			if _, err := one.Post("/"); err != nil {
				t.Fatal(err)
			}
			rest = append(rest, one)
		}
		lbtest.Set(web, id, fleet.EndpointDraining)
		r.Apply(web)
		began := time.Now()
		r.Drained(web, id)
		t.Logf("%s was drained after %s; workers that shut down: %v", id, time.Since(began), r.Processes(t).Old)
		if keepsClients && time.Since(began) < 5*time.Second {
			t.Errorf("%s was drained after %s, while clients rested with workers of before", id, time.Since(began))
		}
		c.Exit()
		for i, one := range rest { // their connections are closed by now, or lead to others
			one.Again = true
			if who, err := one.Post("/"); err != nil || who == id {
				t.Errorf("client %d, which rested: %q, %v", i, who, err)
			}
		}
		lbtest.Remove(web, id)
		r.Apply(web)
	}
}
