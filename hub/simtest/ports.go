package simtest

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// portRest is how long a released port is given to nobody, whatever the brains
// are told.
const portRest = 10 * time.Minute

// created looks at the ports of a new container.
func (k *checker) created(h *host, c *container) {
	if told := k.told[c.instance]; told != nil && !maps.Equal(told, c.ports) {
		k.sim.violate("%s has the ports %v, though others know it by %v", c.instance, c.ports, told)
	}
	for _, port := range c.ports {
		if isFixed(c, port) {
			continue
		}
		address := fmt.Sprintf("%s:%d", h.address, port)
		if at, known := k.released[address]; known && k.sim.now.Sub(at) < portRest && !k.had(c.instance, address) {
			k.sim.violate("%s gets port %s, which was released %s ago", c.instance, address, k.sim.now.Sub(at))
		}
		for _, s := range k.servers() {
			if strings.HasSuffix(s.address, "@"+address) && s.Instance != c.instance && !k.excused[s.Instance][s.worker.haproxy.host.id] {
				k.sim.violate("%s gets port %s while the balancer on %s has it for %s", c.instance, address, s.worker.haproxy.host.id, s.Instance)
			}
		}
	}
}

func isFixed(c *container, port int) bool {
	for _, p := range c.spec.Publish {
		if p.HostPort == port {
			return true
		}
	}
	return false
}

// had says whether the instance itself released the port: it may have it back.
func (k *checker) had(instance, address string) bool {
	in := k.instances[instance]
	for _, port := range in.Ports {
		if fmt.Sprintf("%s:%d", in.Address, port) == address {
			return true
		}
	}
	return false
}
