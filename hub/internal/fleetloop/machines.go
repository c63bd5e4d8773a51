package fleetloop

import (
	"sync"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// machines knows which machine each host is. The broker asks it, from its own
// goroutines, before an agent may take over a session.
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
		if h == nil || h.Failed {
			delete(m.known, id)
		} else {
			m.known[id] = h.Facts.MachineID
		}
	}
}

// Admit lets a machine be a host if it always was, if the host is new, or if
// a person declared the former machine dead.
func (l *Loop) Admit(host, machineID string) error {
	if machineID == "" {
		return fleet.Invalid("machine", "an agent has to say which machine it is on")
	}
	m := &l.machines
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.known[host]; ok && known != machineID {
		return fleet.Conflict("host", "%s is another machine (%.8s…, not %.8s…)", host, known, machineID).
			WithHint("give this agent another --host-id; if the former machine is gone for good: muster host fail %s", host)
	}
	if m.known == nil {
		m.known = map[string]string{}
	}
	m.known[host] = machineID
	return nil
}
