package agent

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"strings"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/identity"
	"github.com/musterhq/muster/shared/fleet"
)

// joined completes the options by the hub that this host has joined. A host that
// has joined none needs a plain one to be named; then nil is returned.
func (o *Options) joined(kept *brain.Cache) (*identity.Identity, error) {
	plain := strings.HasPrefix(o.Hub, "tcp:")
	if plain {
		o.Host = cmp.Or(o.Host, machineHostID())
		o.HubHTTP = cmp.Or(o.HubHTTP, "http://127.0.0.1:8080")
		return nil, fleet.ValidateHost(o.Host)
	}
	who, err := identity.Open(o.StateDir, o.Logger)
	if host, confirmed := kept.Left(); errors.Is(err, identity.ErrNotJoined) && confirmed {
		return nil, errLeft(host)
	}
	if errors.Is(err, identity.ErrNotJoined) {
		return nil, fleet.NotFound("this host has not joined a hub").
			WithHint("on the hub's machine: muster token create; then paste here the line that it prints")
	}
	if err != nil {
		return nil, err
	}
	if o.Host != "" && o.Host != who.Host() {
		return nil, fleet.Conflict("host-id", "this host has joined as %s, not as %s", who.Host(), o.Host).
			WithHint("leave --host-id out, or join anew")
	}
	mqtt, http := who.Hub()
	o.Host, o.Hub, o.HubHTTP = who.Host(), cmp.Or(o.Hub, mqtt), cmp.Or(o.HubHTTP, http)
	// To join is to follow: what this host did for another hub ends with it.
	o.AdoptLineage = cmp.Or(o.AdoptLineage, who.Lineage())
	labels := maps.Clone(who.Labels())
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, o.Labels)
	o.Labels = labels
	if o.Left == nil {
		o.Left = who.Remove
	}
	return who, nil
}

func machineHostID() string {
	hostname, _ := os.Hostname() // an empty id is refused later
	return HostID(hostname)
}
