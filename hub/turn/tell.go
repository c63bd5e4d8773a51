package turn

import (
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// told is the status of a service as last published.
type told struct {
	body           string
	state          string
	desired, ready int
}

// tell publishes how a service is, if that changed.
func (t *tx) tell(key fleet.ServiceKey) {
	before := t.told.get(key)
	if t.services.get(key) == nil {
		if before != nil {
			t.told.delete(key)
			t.out.Publish = append(t.out.Publish, Publish{Topic: wire.ServiceStatus(key), Retain: true})
		}
		return
	}
	now := t.status(key)
	if before != nil && before.body == now.body {
		return
	}
	t.told.put(key, now)
	t.sendStatus(key, now)
}

func (t *tx) status(key fleet.ServiceKey) *told {
	view := View{t}.service(key, false)
	body := mustJSON(fleet.ServiceStatus{
		State: view.State, Reasons: view.Reasons, Version: view.Version,
		Desired: view.Desired, Ready: view.Ready, Addresses: view.Addresses, WaitsFor: view.WaitsFor, Run: view.Run,
	})
	return &told{body: string(body), state: view.State, desired: view.Desired, ready: view.Ready}
}

func (t *tx) sendStatus(key fleet.ServiceKey, now *told) {
	if payload, err := wire.SealRaw(t.s.Lineage, t.epoch, t.services.get(key).Generation, []byte(now.body)); err == nil {
		t.out.Publish = append(t.out.Publish, Publish{Topic: wire.ServiceStatus(key), Payload: payload, Retain: true})
	}
}
