package turn

import (
	"sort"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// tx is one turn at work.
type tx struct {
	s   *State
	now time.Time
	rev uint64 // the revision this turn makes, if it changes anything
	// epoch is the state's, unless an agent knows a later one.
	epoch uint64
	*tables
	out        Outputs
	events     []fleet.Event
	adopted    map[fleet.ServiceKey]bool     // services that instances were taken in for in this turn
	resend     map[string]bool               // hosts to send everything to
	newborn    map[fleet.ServiceKey][]string // instances made in this turn
	arrived    map[string][]string           // the same by host
	ids        int
	dirty      map[fleet.ServiceKey]bool // services to plan
	touchedAll bool                      // dirty has all services
	dirtyHost  map[string]bool           // hosts whose desired state to derive
	dirtyPool  map[fleet.ServiceKey]bool // services whose pools to derive
	made       []PoolKey                 // pools to send, in the order in which they were made
	acks       map[string]bool           // hosts to acknowledge; false: if that says something new
	revised    map[string]bool           // projects some of whose secrets' values may not be needed any more
	crowd      *crowd
	namesOf    map[string][]named  // by project; nil until the turn's end
	movers     *[]fleet.ServiceKey // see moving; nil until the turn's end
	// dependsOn is of the services that this turn changes; see dependents.
	dependsOn map[fleet.ServiceKey]map[fleet.ServiceKey]bool
}

func begin(s *State, now time.Time) *tx {
	return &tx{
		s: s, now: now, rev: s.Revision + 1, epoch: s.Epoch,
		tables: &tables{
			services:   over(s.Services),
			instances:  over(s.Instances),
			hosts:      over(s.Hosts),
			balancers:  over(s.Balancers),
			pools:      over(s.Pools),
			homes:      over(s.Homes),
			results:    over(s.Results),
			documents:  over(s.Documents),
			left:       over(s.Left),
			secrets:    over(s.Secrets),
			registries: over(s.Registries),
			notes:      over(s.notes),
			told:       over(s.told),
			live:       over(s.live),
			silences:   over(s.silences),
			windows:    over(s.windows),
			judgments:  over(s.judgments),
			hooks:      over(s.hooks),
			fleet:      *s.fleet,
		},
		out:       Outputs{Replies: map[int]Reply{}},
		adopted:   map[fleet.ServiceKey]bool{},
		resend:    map[string]bool{},
		newborn:   map[fleet.ServiceKey][]string{},
		arrived:   map[string][]string{},
		dirty:     map[fleet.ServiceKey]bool{},
		dirtyHost: map[string]bool{},
		dirtyPool: map[fleet.ServiceKey]bool{},
		acks:      map[string]bool{},
		revised:   map[string]bool{},
	}
}

// finish derives the messages and returns the delta.
func (t *tx) finish() (*Delta, Outputs) {
	t.sendPools()
	t.dropValues()
	t.namesOf = map[string][]named{}
	movers := t.moving()
	t.movers = &movers
	for _, host := range sorted(t.dirtyHost, byText) {
		t.deriveDesired(host)
	}
	for _, host := range sorted(t.resend, byText) {
		t.deriveDesired(host)
		t.sendAll(host)
	}
	d := &Delta{state: t.s, tables: t.tables, events: t.events, epoch: t.epoch, Revision: t.s.Revision}
	if t.storesAnything() {
		d.Revision = t.rev
		t.out.Change = t.change()
	}
	for _, host := range sorted(t.acks, byText) {
		t.acknowledge(host, t.acks[host])
	}
	for i := range t.events {
		t.publishEvent(t.events[i])
	}
	t.out.Events = t.events
	return d, t.out
}

func (t *tx) storesAnything() bool {
	return len(t.services.changed)+len(t.instances.changed)+len(t.hosts.changed)+len(t.balancers.changed)+
		len(t.pools.changed)+len(t.homes.changed)+len(t.results.changed)+len(t.documents.changed)+len(t.left.changed)+
		len(t.secrets.changed)+len(t.registries.changed)+len(t.events) > 0
}

// change tells watchers what this turn touched.
func (t *tx) change() fleet.Change {
	services := map[fleet.ServiceKey]bool{}
	hosts := map[string]bool{}
	for key := range t.services.changed {
		services[key] = true
	}
	for id, in := range t.instances.changed {
		if in == nil {
			in = t.s.Instances[id]
		}
		services[in.Service] = true
		hosts[in.Host] = true
	}
	for key := range t.pools.changed {
		services[key.Service] = true
		hosts[key.Host] = true
	}
	for id := range t.hosts.changed {
		hosts[id] = true
	}
	return fleet.Change{
		Revision: t.rev,
		Time:     t.now,
		Services: sorted(services, fleet.ServiceKey.Less),
		Hosts:    sorted(hosts, byText),
		Events:   t.events,
	}
}

// event records what happened and returns its id, the cause of what follows.
func (t *tx) event(eventType, subject, cause string, data fleet.EventData) string {
	e := fleet.Event{
		SpecVersion: "1.0",
		ID:          strconv.FormatUint(t.rev, 36) + "-" + strconv.Itoa(len(t.events)+1),
		Source:      "hub",
		Type:        eventType,
		Time:        t.now,
		Subject:     subject,
		Cause:       cause,
		Data:        data,
		Revision:    t.rev,
	}
	t.events = append(t.events, e)
	return e.ID
}

func (t *tx) publishEvent(e fleet.Event) {
	if payload, err := wire.Encode(e); err == nil {
		t.out.Publish = append(t.out.Publish, Publish{Topic: wire.EventTopic(e.Type), Payload: payload})
	}
}

// instanceID is new for ever: revisions don't repeat, and numbers within a
// turn don't either.
func (t *tx) instanceID() string {
	t.ids++
	return strconv.FormatUint(t.rev, 36) + "-" + strconv.FormatInt(int64(t.ids), 36)
}

// members returns a service's instances that aren't gone, sorted by id.
func (t *tx) members(key fleet.ServiceKey) []*Instance {
	ids := make([]string, 0, len(t.s.byService[key])+len(t.newborn[key]))
	for id := range t.s.byService[key] {
		ids = append(ids, id)
	}
	ids = append(ids, t.newborn[key]...)
	return t.rows(ids)
}

// residents returns a host's instances that aren't gone, sorted by id.
func (t *tx) residents(host string) []*Instance {
	var ids []string
	for id := range t.s.byHost[host] {
		ids = append(ids, id)
	}
	return t.rows(append(ids, t.arrived[host]...))
}

// bear adds an instance.
func (t *tx) bear(in *Instance) {
	t.instances.put(in.ID, in)
	t.newborn[in.Service] = append(t.newborn[in.Service], in.ID)
	t.arrived[in.Host] = append(t.arrived[in.Host], in.ID)
	t.dirtyHost[in.Host] = true
	t.occupy(in)
}

func (t *tx) rows(ids []string) []*Instance {
	sort.Strings(ids)
	out := make([]*Instance, 0, len(ids))
	for _, id := range ids {
		if in := t.instances.get(id); in != nil {
			out = append(out, in)
		}
	}
	return out
}

// touch has a service planned in this turn.
func (t *tx) touch(key fleet.ServiceKey) { t.dirty[key] = true }

// touchAll has every service planned: any may want another instance, or have
// one where something has changed.
func (t *tx) touchAll() {
	if !t.touchedAll {
		t.touchedAll = true
		t.services.each(func(key fleet.ServiceKey, _ *Service) { t.touch(key) })
	}
}

func subjectService(key fleet.ServiceKey) string { return "services/" + key.String() }

func subjectHost(id string) string { return "hosts/" + id }

func subjectInstance(id string) string { return "instances/" + id }

func subjectBalancer(key fleet.BalancerKey) string { return "balancers/" + key.String() }

func about(in *Instance, message string) fleet.EventData {
	service := in.Service
	return fleet.EventData{Message: message, Service: &service, Instance: in.ID, Host: in.Host, Version: in.Version}
}
