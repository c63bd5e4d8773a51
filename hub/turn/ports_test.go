package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestHeldPortsWaitForEveryBalancer(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").withBalancer("web2").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	for range 20 {
		w.pass(time.Second)
		if w.stopping() > 0 {
			break
		}
	}
	w.hosts["web2"].deaf = true // it has drained, and is to forget the address
	held := func() (ports int) {
		for _, h := range w.hosts {
			ports += len(h.desired.HeldPorts)
		}
		return ports
	}
	w.pass(DefaultOptions().PortHold + time.Minute)
	if held() != 1 {
		t.Fatal("the port is free though web2's balancer still has it")
	}
	w.restart()
	w.pass(10 * time.Second)
	if held() != 1 {
		t.Fatal("the hub's restart made the port free")
	}
	w.hosts["web2"].deaf = false
	w.pass(3 * time.Second)
	if held() != 0 {
		t.Error("the port is never free")
	}
}
