package simtest

import "github.com/musterhq/muster/agent/brain"

// started looks for doubles, and for data that moved.
func (k *checker) started(h *host, c *container) {
	for _, other := range h.engine.sorted() {
		if other != c && other.instance == c.instance && other.State == brain.ContainerRunning {
			k.sim.violate("%s runs twice on %s", c.instance, h.id)
		}
	}
	if !c.spec.Pinned() || k.givenUp[c.instance] {
		return
	}
	slot := c.Labels[brain.LabelProject] + "/" + c.Labels[brain.LabelService] + "/" + c.Labels[brain.LabelSlot]
	if home := k.homes[slot]; home != "" && home != h.id {
		k.sim.violate("%s has its data on %s and was placed on %s", slot, home, h.id)
	}
	k.homes[slot] = h.id
}

// dataLost: a person gave up what a host has. While it is cut off it may go on
// with it.
func (k *checker) dataLost(host string) {
	for id, in := range k.instances {
		if in.Host == host {
			k.givenUp[id] = true
		}
	}
	for slot, home := range k.homes {
		if home == host {
			delete(k.homes, slot)
		}
	}
}
