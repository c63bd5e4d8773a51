package crowd

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// All of these need mu.

func (a *agent) presence(state string) fleet.Presence {
	return fleet.Presence{
		State: state, BootID: a.facts.BootID, AgentStart: a.start, Session: a.session,
		Observed: a.observed, Pools: a.pools,
	}
}

func (a *agent) sendPresence() {
	a.beats++
	if a.askedAt.IsZero() {
		a.askedAt = time.Now()
	}
	a.send(wire.LeafPresence, a.seal(a.beats, a.presence(fleet.PresenceOnline)))
}

func (a *agent) sendActual() {
	a.sequence++
	a.repeated = false
	a.resendActual()
}

func (a *agent) resendActual() {
	a.sentAt = time.Now()
	a.send(wire.LeafActual, a.seal(a.sequence, fleet.Actual{
		Host: a.host, Facts: a.facts, AgentStart: a.start, Session: a.session, Observed: a.observed,
		Engine: fleet.EngineStatus{Up: true}, Instances: a.instances,
		Foreign: fleet.Foreign{Memory: a.foreign, CPUs: 0.5, Ports: []int{22, 111, 9100}},
	}))
}

func (a *agent) seal(generation uint64, body any) []byte {
	payload, err := wire.Seal(a.observed.Lineage, 0, generation, body)
	if err != nil {
		panic("encode a message of a host: " + err.Error()) // plain data can't fail
	}
	return payload
}

// send leaves it to the reader to notice a connection that is broken.
func (a *agent) send(leaf string, payload []byte) {
	if a.conn == nil {
		return
	}
	a.packet = max(1, a.packet+1)
	_ = a.conn.SetWriteDeadline(time.Now().Add(a.options.Timeout))
	if _, err := a.conn.Write(publishPacket(a.packet, wire.Host(a.host, leaf), payload, true)); err != nil {
		_ = a.conn.Close()
	}
}
