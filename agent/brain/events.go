package brain

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// outbox keeps track of which events of the cache were sent when. Only events
// that are on disk are sent: a number must never come to mean another event.
type outbox struct {
	saved    uint64 // number of the last event on disk
	sent     uint64 // number of the last event sent in this session
	sentAt   time.Time
	repeated bool // that was sent again
	made     int  // events made since the agent's start
}

// event takes an event into the outbox and returns its id.
func (s *State) event(now time.Time, e fleet.Event) string {
	s.outbox.made++
	e.SpecVersion = "1.0"
	e.ID = s.config.AgentStart + "-" + strconv.Itoa(s.outbox.made)
	e.Source = "hosts/" + s.config.Host
	e.Time = now
	e.Data.Message = fleet.Clip(e.Data.Message, fleet.MaxMessage)
	c := &s.cache
	c.LastEvent++
	c.Events = append(c.Events, e)
	if len(c.Events) > s.config.Limits.Events {
		s.dropOldest(now)
	}
	s.dirty(now)
	return e.ID
}

// dropOldest makes room. The number of the youngest dropped event goes to a
// marker that says how many are missing.
func (s *State) dropOldest(now time.Time) {
	c := &s.cache
	c.Dropped++
	if c.Dropped == 1 {
		c.Dropped++
	}
	c.Events = slices.Delete(c.Events, 0, 1)
	s.outbox.made++
	c.Events[0] = fleet.Event{
		SpecVersion: "1.0", ID: s.config.AgentStart + "-" + strconv.Itoa(s.outbox.made),
		Source: "hosts/" + s.config.Host, Type: fleet.EventHostEventsDropped, Time: now,
		Subject: "hosts/" + s.config.Host, Cause: "agent",
		Data: fleet.EventData{
			Message: fmt.Sprintf("%d events were dropped because no hub took them", c.Dropped),
			Host:    s.config.Host,
		},
	}
}

// instanceEvent makes an event about an instance. Without a cause it is the
// assignment's, else the container's.
func (s *State) instanceEvent(inst *instance, kind, message, cause string, now time.Time) string {
	if cause == "" {
		if a := s.assigned[inst.id]; a != nil && a.Cause != "" {
			cause = a.Cause
		} else {
			cause = "container " + inst.rec.Container
		}
	}
	service := inst.rec.Service
	return s.event(now, fleet.Event{
		Type: kind, Subject: "instances/" + inst.id, Cause: cause,
		Data: fleet.EventData{
			Message: message, Service: &service, Instance: inst.id,
			Host: s.config.Host, Version: inst.rec.Version,
		},
	})
}

// takeAck drops what the hub has.
func (s *State) takeAck(payload []byte, now time.Time) {
	var ack fleet.Ack
	if len(payload) == 0 {
		return
	}
	env, err := wire.Open(payload, &ack)
	if err != nil {
		s.refuse("acknowledgement", err.Error(), now)
		return
	}
	if ack.Session != s.session || s.session == "" {
		return
	}
	s.hub = env.Lineage
	if ack.Left {
		s.confirmed(now)
	}
	if ack.Actual <= s.report.sequence { // else it is of nothing that was told
		s.report.acknowledged = max(s.report.acknowledged, ack.Actual)
	}
	c := &s.cache
	if ack.Numbering != "" && ack.Numbering != c.Numbering {
		return
	}
	first := c.LastEvent - uint64(len(c.Events)) + 1
	if len(c.Events) == 0 || ack.Events < first || ack.Events > c.LastEvent {
		return
	}
	c.Events = slices.Delete(c.Events, 0, int(ack.Events-first)+1)
	c.Dropped = 0
	s.dirty(now)
}

// batch returns the events to send now: those not sent yet, with all before
// them that aren't acknowledged.
func (s *State) batch(now time.Time) *fleet.EventBatch {
	c := &s.cache
	due := s.outbox.due(s)
	if due.IsZero() || now.Before(due) {
		return nil
	}
	first := c.LastEvent - uint64(len(c.Events)) + 1
	last := min(s.outbox.saved, first+uint64(s.config.Limits.Batch)-1)
	s.outbox.repeated = last == s.outbox.sent
	s.outbox.sent, s.outbox.sentAt = last, now
	return &fleet.EventBatch{Numbering: c.Numbering, First: first, Events: slices.Clone(c.Events[:last-first+1])}
}

// due is when the next batch is to be sent; zero: there is nothing to send.
func (o *outbox) due(s *State) time.Time {
	c := &s.cache
	first := c.LastEvent - uint64(len(c.Events)) + 1
	if s.session == "" || len(c.Events) == 0 || o.saved < first {
		return time.Time{}
	}
	last := min(o.saved, first+uint64(s.config.Limits.Batch)-1)
	if o.sent < last {
		return o.sentAt.Add(s.config.Timing.ReportDelay)
	}
	return o.sentAt.Add(s.config.Timing.again(o.repeated))
}
