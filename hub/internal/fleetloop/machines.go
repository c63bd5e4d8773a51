package fleetloop

import (
	"sync"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// machines knows which machine each host of the committed state is. The
// broker asks it, from its own goroutines, before an agent may take over a
// session.
type machines struct {
	mu    sync.Mutex
	known map[string]string // guarded by mu; host to machine id
}

// load takes over what the state says of hosts.
func (m *machines) load(hosts map[string]*turn.Host) {
	if len(hosts) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]string{}
	}
	for id, h := range hosts {
		if h == nil || h.Vacant || h.Facts.MachineID == "" {
			delete(m.known, id)
		} else {
			m.known[id] = h.Facts.MachineID
		}
	}
}

// check refuses a machine that isn't the one that the host is known to be.
func (m *machines) check(host, machineID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.known[host]; ok && known != machineID {
		return fleet.Conflict("host", "%s is another machine (%.8s…, not %.8s…)", host, known, machineID).
			WithHint("give this agent another --host-id; if the former machine is gone for good: muster host fail %s (with --data-lost if services have their data there)", host)
	}
	return nil
}

// Admit lets a machine be a host if it always was, if a person declared the
// former machine dead and nobody waits for its data, or if the hub doesn't know the host: whoever reports
// first is it then, and until then the latest connection counts.
func (l *Loop) Admit(host, machineID string) error {
	if machineID == "" {
		return fleet.Invalid("machine", "an agent has to say which machine it is on")
	}
	return l.machines.check(host, machineID)
}
