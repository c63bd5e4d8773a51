package brain_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func pool(service fleet.ServiceKey, generation uint64, removed bool, listen ...int) fleet.Pool {
	return fleet.Pool{
		Service: service, Generation: generation, Balancers: []string{"haproxy"}, Removed: removed,
		Routes: []fleet.Route{{Target: 8080, Listen: listen, Protocol: fleet.ProtocolHTTP}},
	}
}

func (w *world) sendPool(generation uint64, removed bool, listen ...int) {
	w.t.Helper()
	w.step(brain.PoolReceived{Service: shopWeb, Payload: w.seal(w.epoch, generation, pool(shopWeb, generation, removed, listen...))})
}

func TestPoolsAreToldWhenAllAreThere(t *testing.T) {
	other := fleet.ServiceKey{Project: "shop", Name: "cart"}
	w := newWorld(t).connected()
	w.sendPool(3, false, 9000)
	if w.poolsSet {
		t.Fatal("told without knowing which exist")
	}
	d := desired(webSpec())
	d.Pools = []fleet.PoolRef{{Service: other, Generation: 4}, {Service: shopWeb, Generation: 3}}
	w.send(d)
	if w.poolsSet {
		t.Fatal("told though one is missing")
	}
	w.step(brain.PoolReceived{Service: other, Payload: w.seal(1, 4, pool(other, 4, false, 9001))})
	if len(w.pools) != 2 || w.pools[0].Service != other || w.pools[1].Generation != 3 {
		t.Fatalf("told %+v", w.pools)
	}
	if got := w.presence.Pools; got[shopWeb] != 3 || got[other] != 4 {
		t.Errorf("presence says %v", got)
	}
	// One that is late later doesn't hold up the others.
	third := fleet.ServiceKey{Project: "shop", Name: "new"}
	d.Pools = append(d.Pools, fleet.PoolRef{Service: third, Generation: 5})
	w.send(d)
	w.sendPool(6, false, 9002)
	if len(w.pools) != 2 || w.pools[1].Generation != 6 {
		t.Fatalf("told %+v", w.pools)
	}
}

func TestPoolsAreToldInTheEndThoughOneIsMissing(t *testing.T) {
	w := newWorld(t).connected()
	w.sendPool(3, false, 9000)
	d := desired(webSpec())
	d.Pools = []fleet.PoolRef{{Service: fleet.ServiceKey{Project: "shop", Name: "cart"}, Generation: 4}}
	w.send(d)
	w.pass(11 * time.Second)
	if len(w.pools) != 1 {
		t.Fatalf("told %+v", w.pools)
	}
}

func TestPoolsThatChangeNothing(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec()))
	w.sendPool(5, false, 9000)
	old := w.pools
	cart := fleet.ServiceKey{Project: "shop", Name: "cart"}
	for name, payload := range map[string][]byte{
		"empty":           nil,
		"older":           w.seal(1, 4, pool(shopWeb, 4, true)),
		"the same":        w.seal(1, 5, pool(shopWeb, 5, false, 9000)),
		"other content":   w.seal(1, 5, pool(shopWeb, 5, true)),
		"another service": w.seal(1, 6, pool(cart, 6, true)),
		"two generations": w.seal(1, 6, pool(shopWeb, 7, true)),
		"damaged":         bytes.Replace(w.seal(1, 6, pool(shopWeb, 6, true)), []byte("true"), []byte("trUe"), 1),
	} {
		w.poolsSet = false
		w.step(brain.PoolReceived{Service: shopWeb, Payload: payload})
		if w.poolsSet || w.presence.Pools[shopWeb] != 5 || w.pools[0].Removed != old[0].Removed {
			t.Errorf("%s: told %+v", name, w.pools)
		}
	}
	if n := len(w.eventsOf(fleet.EventMessageRefused)); n != 4 {
		t.Errorf("%d refusals", n)
	}
}

func TestARemovedPoolIsForgottenWhenItLeavesTheIndex(t *testing.T) {
	w := newWorld(t).connected()
	d := desired(webSpec())
	d.Pools = []fleet.PoolRef{{Service: shopWeb, Generation: 5}}
	w.send(d)
	w.sendPool(5, false, 9000)
	empty := desired(webSpec())
	w.send(empty)
	if len(w.pools) != 1 || w.pools[0].Removed {
		t.Fatal("leaving it out removed it")
	}
	w.send(d)
	w.sendPool(6, true)
	if len(w.pools) != 1 || !w.pools[0].Removed {
		t.Fatalf("told %+v", w.pools)
	}
	w.boot("start2")
	w.connected().settle()
	if len(w.pools) != 1 || !w.pools[0].Removed {
		t.Fatalf("told after a restart %+v", w.pools)
	}
	w.send(empty)
	if len(w.pools) != 0 || len(w.presence.Pools) != 0 {
		t.Fatalf("told %+v", w.pools)
	}
}

func TestPoolsAreThereAfterARestartWithoutAHub(t *testing.T) {
	w := newWorld(t).connected()
	d := desired(webSpec())
	d.Pools = []fleet.PoolRef{{Service: shopWeb, Generation: 5}}
	w.send(d)
	w.sendPool(5, false, 9000)
	w.boot("start2")
	w.step(brain.Tick{})
	if len(w.pools) != 1 || w.pools[0].Generation != 5 {
		t.Fatalf("told %+v", w.pools)
	}
}

// A pool that was removed and is forgotten doesn't come back by an old message; a new
// one of the same service does.
func TestAPoolThatIsForgottenDoesNotComeBackByAnOldMessage(t *testing.T) {
	w := newWorld(t).connected()
	at := func(pools ...fleet.PoolRef) { w.send(fleet.Desired{Host: "h1", Pools: pools}) }
	at(fleet.PoolRef{Service: shopWeb, Generation: 1})
	w.sendPool(1, false, 80)
	w.gen = 10
	at(fleet.PoolRef{Service: shopWeb, Generation: 11})
	w.sendPool(11, true)
	w.gen = 20
	at()
	w.sendPool(1, false, 80)
	if len(w.pools) != 0 {
		t.Fatalf("it is back: %+v", w.pools)
	}
	w.sendPool(22, false, 80)
	if len(w.pools) != 1 || w.pools[0].Generation != 22 {
		t.Errorf("pools %+v", w.pools)
	}
}
