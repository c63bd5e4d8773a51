package turn

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// deriveDesired works out a host's desired state and publishes it if it
// changed.
func (t *tx) deriveDesired(host string) {
	h := t.hosts.get(host)
	if h == nil {
		return
	}
	raw := mustJSON(t.desired(h))
	if sum := wire.Sum(raw); sum != h.Sum {
		h = t.hosts.edit(host)
		h.Sum, h.Desired = sum, t.rev
		t.sendDesired(h, raw)
	}
}

func (t *tx) sendDesired(h *Host, raw []byte) {
	payload, err := wire.SealRaw(t.s.Lineage, t.epoch, h.Desired, raw)
	if err == nil && !t.unsettled(h.ID) {
		t.out.Publish = append(t.out.Publish, Publish{Topic: wire.Host(h.ID, wire.LeafDesired), Payload: payload, Retain: true})
	}
}

// republish sends everything that a host should have. Where that isn't what
// it was, it becomes a new generation first.
func (t *tx) republish(host string) {
	if h := t.hosts.get(host); h != nil && wire.Sum(mustJSON(t.desired(h))) != h.Sum {
		t.dirtyHost[host] = true
		return
	}
	t.sendAll(host)
}

// sendAll sends everything that a host should have, unchanged.
func (t *tx) sendAll(host string) {
	h := t.hosts.get(host)
	if h == nil || h.Desired == 0 {
		return
	}
	for _, ref := range t.poolRefs(host) {
		key := PoolKey{Host: host, Service: ref.Service}
		t.sendPool(key, t.pools.get(key))
	}
	raw := mustJSON(t.desired(h))
	if wire.Sum(raw) == h.Sum { // else it becomes a new generation once the host is heard
		t.sendDesired(h, raw)
	}
}

func (t *tx) desired(h *Host) fleet.Desired {
	if h.Leaving != nil && h.Leaving.Told != 0 {
		return fleet.Desired{Host: h.ID, Leave: h.Leaving.Policy}
	}
	d := fleet.Desired{Host: h.ID, Frozen: h.Frozen, Pools: t.poolRefs(h.ID), HeldPorts: heldPorts(h)}
	projects, services := map[string]bool{}, map[fleet.ServiceKey]bool{}
	frozen, starts := map[fleet.ServiceKey]bool{}, map[string]fleet.ServiceKey{}
	for _, in := range t.residents(h.ID) {
		s := t.services.get(in.Service)
		if s == nil { // its service is gone: only the stop is left
			d.Instances = append(d.Instances, fleet.Assignment{
				ID: in.ID, Service: in.Service, Version: in.Version, Slot: in.Slot, Goal: fleet.GoalStop, Cause: in.Cause,
			})
			continue
		}
		v, known := s.Versions[in.Version]
		goal := fleet.GoalRun
		if in.Goal == fleet.GoalStop {
			goal = fleet.GoalStop
		}
		d.Instances = append(d.Instances, fleet.Assignment{
			ID: in.ID, Service: in.Service, Version: in.Version, Slot: in.Slot, Goal: goal, Cause: in.Cause, Pin: v.Pin,
		})
		if d.Versions == nil {
			d.Versions = map[string]fleet.Spec{}
		}
		if known {
			version := fleet.VersionKey(in.Service, in.Version)
			d.Versions[version] = v.Spec
			if goal == fleet.GoalRun {
				starts[version] = in.Service
			}
		}
		projects[in.Service.Project] = true
		services[in.Service] = true
		if s.Frozen {
			frozen[in.Service] = true
		}
	}
	t.prepare(&d)
	d.Keep = t.keptImages(h.ID, services, d.Versions)
	d.FrozenServices = sorted(frozen, fleet.ServiceKey.Less)
	d.Names = t.names(h.ID, projects)
	t.deliver(&d, starts)
	return d
}

// keptImages are those of kept versions, beside the versions that a host is sent, of
// the services that it has instances of, or has fetched an image for in their last
// rollout: a way back needs no registry.
func (t *tx) keptImages(host string, services map[fleet.ServiceKey]bool, sent map[string]fleet.Spec) []string {
	look := func(key fleet.ServiceKey) {
		if slices.Contains(imageHosts(t.services.get(key)), host) {
			services[key] = true
		}
	}
	for key := range t.s.imagesOn[host] {
		look(key)
	}
	for key := range t.services.changed {
		look(key)
	}
	images := map[string]bool{}
	for key := range services {
		s := t.services.get(key)
		if s == nil {
			continue
		}
		for number, v := range s.Versions {
			if _, here := sent[fleet.VersionKey(key, number)]; !here {
				images[cmp.Or(v.Pin, v.Spec.Image)] = true
			}
		}
	}
	return sorted(images, byText)
}

// dirtyMembers has the desired states derived anew of hosts that have instances or
// images of a service.
func (t *tx) dirtyMembers(key fleet.ServiceKey) {
	for _, host := range imageHosts(t.services.get(key)) {
		t.dirtyHost[host] = true
	}
	for _, in := range t.members(key) {
		t.dirtyHost[in.Host] = true
	}
}

// acknowledge echoes what was taken in of an agent's messages. At rest that is
// the same again and again, and isn't encoded anew; so its generation is that at
// which it was first said. anyway: also if it was said before.
func (t *tx) acknowledge(host string, anyway bool) {
	l := t.live.get(host)
	if l == nil {
		return
	}
	ack := fleet.Ack{Session: l.Presence.Session, Actual: l.ActualSeq}
	if h := t.hosts.get(host); h != nil {
		ack.Events = h.Events
		ack.Numbering = h.Numbering
	}
	isNew := l.echo.payload == nil || l.echo.ack != ack || l.echo.epoch != t.epoch
	if !isNew && !anyway {
		return
	}
	if isNew {
		payload, err := wire.Seal(t.s.Lineage, t.epoch, t.rev, ack)
		if err != nil {
			return
		}
		l = t.heard(host)
		l.echo = echo{ack: ack, epoch: t.epoch, payload: payload}
	}
	t.out.Publish = append(t.out.Publish, Publish{Topic: wire.Host(host, wire.LeafAck), Payload: l.echo.payload})
}

// hubState says who the hub is.
func (t *tx) hubState() Publish {
	body := fleet.HubState{Lineage: t.s.Lineage, Epoch: t.epoch, Revision: t.s.Revision, Started: t.s.Started.UTC().Format("2006-01-02T15:04:05Z")}
	payload, err := wire.Seal(t.s.Lineage, t.epoch, t.s.Revision, body)
	if err != nil {
		panic("encode hub state: " + err.Error())
	}
	return Publish{Topic: wire.HubState, Payload: payload, Retain: true}
}

// mustJSON encodes plain data, which can't fail.
func mustJSON(v any) []byte {
	raw, err := wire.Encode(v)
	if err != nil {
		panic("encode: " + err.Error())
	}
	return json.RawMessage(raw)
}
