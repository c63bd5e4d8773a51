package hub

import (
	"context"
	"time"

	"github.com/musterhq/muster/hub/internal/api"
	"github.com/musterhq/muster/hub/internal/broker"
	"github.com/musterhq/muster/hub/internal/fleetloop"
	"github.com/musterhq/muster/hub/internal/people"
	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// agents hands what the broker hears to the loop.
type agents struct{ parts *parts }

func (a agents) Admit(host, machineID string) error { return a.parts.loop.Admit(host, machineID) }

func (a agents) Message(host, leaf, rest string, payload []byte) {
	a.parts.loop.Message(host, leaf, rest, payload)
}

func (a agents) Alive() bool { return a.parts.loop.Alive() }

func (a agents) Again(host string, presence []byte, answered bool) bool {
	return a.parts.loop.Again(host, presence, answered)
}

func (a agents) Refused(host, reason string) { a.parts.loop.Refused(host, reason) }

func (a agents) Cloned(host, one, other string) { a.parts.loop.Cloned(host, one, other) }

func (a agents) Command(o broker.Order) {
	if o.Retained {
		a.parts.commands.Refused(o.By, o.Topic, o.Payload, "a command can't be retained: a hub that starts would find it again")
		return
	}
	a.parts.commands.Command(o.By, o.Topic, o.Payload)
}

func (a agents) Slowed(host string, rate float64) { a.parts.loop.Slowed(host, rate) }

// records is the store as the loop needs it.
type records struct{ *store.Store }

func (r records) Commit(revision uint64, rows []turn.Row, events []fleet.Event, audit []fleet.AuditEntry) error {
	changes := make([]store.Change, len(rows))
	for i, row := range rows {
		changes[i] = store.Change(row)
	}
	return r.Store.Commit(revision, changes, events, audit...)
}

func (r records) Audit(entries []fleet.AuditEntry) error { return r.Keep(nil, entries...) }

// lists is the store as people are kept in it.
type lists struct{ *store.Store }

func (l lists) Keep(rows []people.Change, audit ...fleet.AuditEntry) error {
	changes := make([]store.Change, len(rows))
	for i, row := range rows {
		changes[i] = store.Change(row)
	}
	return l.Store.Keep(changes, audit...)
}

// trail is the audit trail as the API needs it.
type trail struct {
	loop   *fleetloop.Loop
	stored *store.Store
}

func (t trail) Audit(entry fleet.AuditEntry) error { return t.loop.Audit(entry) }

func (t trail) Entries(before uint64, limit int, keep func(fleet.AuditEntry) bool) ([]fleet.AuditEntry, error) {
	return t.stored.Audit(before, limit, keep)
}

// operators is the fleet as the API needs it.
type operators struct {
	loop   *fleetloop.Loop
	stored *store.Store
}

func (o operators) Do(ctx context.Context, c fleet.Command) (fleet.Result, error) {
	return o.loop.Do(ctx, c)
}

func (o operators) Read(ctx context.Context, fn func(api.View)) error {
	return o.loop.Read(ctx, func(s *turn.State, now time.Time) { fn(s.View(now)) })
}

func (o operators) Watch(ctx context.Context, since uint64) (<-chan fleet.Change, error) {
	return o.loop.Watch(ctx, since)
}

func (o operators) Events(_ context.Context, filter api.EventFilter) ([]fleet.Event, error) {
	if !filter.Since {
		return o.stored.Latest(filter.Limit, filter.Match)
	}
	return o.stored.Events(filter.After, filter.Limit, filter.Match)
}

// asker puts the API's questions to agents.
type asker struct {
	bus     *broker.Broker
	lineage string
	epoch   uint64
}

func (a asker) Ask(host string, ask fleet.Ask) error {
	payload, err := wire.Seal(a.lineage, a.epoch, 0, ask)
	if err != nil {
		return err
	}
	return a.bus.Publish(wire.Host(host, wire.LeafAsk), payload, false)
}
