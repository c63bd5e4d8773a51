package brain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
)

// boots boots the machine while the hub's name can't be resolved, so that
// nobody says what the host's address is.
func (w *world) boots() {
	w.exit("a-1", 137)
	w.exit("b-1", 137)
	w.config.Facts.BootID, w.config.Facts.Advertise, w.config.Bind = "boot2", "", ""
	w.boot("start2")
}

func TestRebootWithoutAnAddress(t *testing.T) {
	w := settled(t)
	w.boots()
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "start start" || len(w.probes) != 2 || !strings.HasPrefix(w.probes[0].Address, "10.0.0.1:") {
		t.Fatalf("with the last start's address: %s, probes %+v", got, w.probes)
	}
	w.connected().settle()
	w.pass(time.Minute)
	if w.actual != nil {
		t.Errorf("it tells an address that may be another host's now: %+v", w.actual)
	}
	facts := w.config.Facts
	facts.Advertise = "10.0.0.9"
	w.step(brain.FactsRead{Facts: facts, Bind: "10.0.0.9"})
	w.settle()
	if got := w.instance("a-1"); !got.Ready || got.Address != "10.0.0.9" || w.actual.Facts.Advertise != "10.0.0.9" {
		t.Errorf("once it is found: %+v", w.actual)
	}
	w.pass(time.Second)
	w.boot("start3")
	w.settle()
	if len(w.probes) != 2 || !strings.HasPrefix(w.probes[0].Address, "10.0.0.9:") {
		t.Errorf("the next start: %+v", w.probes)
	}
}

func TestWithoutAnyAddressNothingNewIsMade(t *testing.T) {
	w := settled(t)
	cache := decodeCache(t, w.disk)
	cache.Advertise = ""
	w.disk = must(jsonOf(&cache))
	w.boots()
	delete(w.boxes, w.box("b-1").ID)
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "start" || len(w.probes) != 0 {
		t.Fatalf("what is there goes on: %s, probes %+v", got, w.probes)
	}
	facts := w.config.Facts
	facts.Advertise = "10.0.0.1"
	w.step(brain.FactsRead{Facts: facts, Bind: "10.0.0.1"})
	w.connected().settle()
	w.pass(time.Second)
	if got := w.kinds(); got != "pull create start" || !w.instance("a-1").Ready || !w.instance("b-1").Ready {
		t.Errorf("once it is found: %s, %+v", got, w.actual.Instances)
	}
}
