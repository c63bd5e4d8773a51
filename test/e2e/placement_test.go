//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// TestMaintenance works on a host: it is off for longer than any grace, the hub is
// killed meanwhile, and nothing follows from either.
func TestMaintenance(t *testing.T) {
	p := begin(t, "maintenance")
	p.apply(web("app:1", 6, 9061))
	before := p.here("web1", "web3")
	there := p.here("web2")
	if len(there) != 2 {
		t.Fatalf("%d containers on web2", len(there))
	}
	p.mark()
	p.says(p.mustMuster("host", "maintenance", "web2", "--reason", "disk swap"), "web2 is in maintenance (disk swap): nothing is placed there, what it runs stays")
	p.says(p.mustMuster("hosts"), "maintenance")
	p.powerCut("web2")
	p.soon(30*time.Second, fleet.EventHostAway, "web2 is away, in maintenance (disk swap)")
	time.Sleep(20 * time.Second) // several times what a host has to come back
	p.kill("hub")
	p.startHub()
	time.Sleep(10 * time.Second)
	p.allAnswer(9061, 4) // those on web1 and web3; the balancer doesn't reach the others
	p.never(fleet.EventHostLost, fleet.EventInstancePlaced, fleet.EventInstanceDraining, fleet.EventServiceHeld)
	p.says(p.mustMuster("host", "web2"), "Maintenance", "disk swap")
	p.mustMuster("scale", "maintenance/web=7") // nothing comes to it
	p.until(30*time.Second, "the seventh is ready", func() (bool, string) {
		v := p.service("web")
		return v.Ready == 7 || v.Ready == 5, describe([]fleet.ServiceView{v}) // readiness outlives silence
	})
	p.says(p.mustMuster("explain", "maintenance/web"), "one more would be placed on", "is in maintenance (disk swap)")

	p.boot("web2")
	p.start("web2")
	p.allUp()
	p.converged("web", time.Minute)
	p.allAnswer(9061, 7)
	p.intact(before)
	p.says(p.mustMuster("host", "activate", "web2"), "web2 is active")
	p.says(p.mustMuster("host", "maintenance", "web3", "--for", "3s"), "until")
	p.soon(15*time.Second, fleet.EventHostActivated, "the maintenance of web3 is over")
	if v := p.host("web3"); v.Maintenance != nil || v.Availability != fleet.AvailabilityActive {
		t.Errorf("web3 is %+v", v.Maintenance)
	}
}

// TestRebalanceUnderLoad has a host come back empty. Nothing moves before a person
// asks, and then nobody notices.
func TestRebalanceUnderLoad(t *testing.T) {
	p := begin(t, "rebalance")
	p.mustMuster("host", "drain", "web3", "--wait")
	p.apply(web("rude:1", 6, 9062))
	p.mustMuster("host", "activate", "web3")
	p.mark()
	stop := p.traffic(9062)
	time.Sleep(5 * time.Second)
	p.never(fleet.EventInstancePlaced)

	last := p.instances("web")[0]
	explained := p.mustMuster("explain", last)
	p.says(explained, "it would be placed on web3 now", "muster rebalance rebalance/web moves it")
	p.says(p.exits(2, "rebalance", "rebalance/web"), "say --yes to move instances")
	plan := p.mustMuster("rebalance", "rebalance/web", "--dry-run")
	p.says(plan, "web3", "has 3 of it, web3 0", "dry run: nothing was moved")
	p.never(fleet.EventRebalanceBegun)

	p.says(p.mustMuster("rebalance", "rebalance/web", "--yes", "--wait", "--timeout", patience), "2 instances are moved, one after another")
	for _, host := range names {
		if n := len(p.here(host)); n != 2 {
			t.Errorf("%d containers on %s", n, host)
		}
	}
	p.soon(10*time.Second, fleet.EventRebalanceEnded, "rebalance/web is rebalanced: 2 moved")
	placed, gone := p.happened(fleet.EventInstancePlaced), p.happened(fleet.EventInstanceGone)
	if len(placed) != 2 || len(gone) != 2 || placed[1].Time.Before(gone[0].Time) {
		t.Errorf("%d came and %d went, and not one after another", len(placed), len(gone))
	}
	sent, failed, err := stop()
	t.Logf("%d requests while two instances of six moved, %d failed\n%s%s", sent, failed, explained, plan)
	if failed > 0 || sent < 100 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, err)
	}
	if out := p.mustMuster("rebalance", "--dry-run"); !strings.Contains(out, "nothing would be placed better elsewhere") {
		t.Errorf("again: %s", out)
	}
}

// TestPlan says beforehand what an apply does to instances.
func TestPlan(t *testing.T) {
	p := begin(t, "foreseen")
	first := p.file(web("app:1", 3, 9063))
	p.says(p.exits(8, "plan", "-f", first, "--exit-code"), "it is new", "dry run: nothing was changed")
	p.apply(web("app:1", 3, 9063))
	p.says(p.mustMuster("plan", "-f", first, "--exit-code"), "nothing changes")
	next := p.file(web("app:2", 2, 9063))
	p.says(p.mustMuster("plan", "-f", next), "version 2 replaces 1")
	empty := p.file("services: {other: {image: app:1}}\n")
	p.says(p.exits(2, "apply", "-f", empty, "--prune"), "- foreseen/web", "the service is removed", "say --yes to remove what the file lacks")
	if v := p.service("web"); v.Ready != 3 || v.Version != 1 {
		t.Errorf("%+v", v)
	}
	greedy := p.file(strings.Replace(web("app:1", 3, 9063), "replicas: 3", "replicas: 3\n      resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: licence, value: 1}}]}}", 1))
	p.says(p.mustMuster("plan", "-f", greedy), "held: foreseen/web: slot", "no host has licence (an agent announces it by --resource licence=1)")
}
