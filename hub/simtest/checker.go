package simtest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// checker holds what happens against what must always hold. It knows only
// what the fakes did and what was committed, and asks neither brain.
type checker struct {
	sim       *Sim
	names     map[string]string                 // of instances, as people say them
	stops     map[string]bool                   // instances that the hub committed to stop
	instances map[string]turn.Instance          // as last committed
	services  map[fleet.ServiceKey]turn.Service // as last committed
	hosts     map[string]turn.Host              // as last committed
	pools     map[string]fleet.Pool             // as last committed, by "host/project/service"
	removals  map[string]bool                   // pools whose removal was ever committed
	events    map[string]bool                   // ids of those committed
	answers   map[string]fleet.Result           // to orders, by their ids
	excused   map[string]map[string]bool        // instance -> balancers that left its barrier without draining
	ready     map[string]int                    // instances that an agent reported ready, with their version
	told      map[string]map[int]int            // their ports, as told to the hub
	accepted  map[string]fleet.Observed         // by host
	released  map[string]*rest                  // host ports whose container was removed
	homes     map[string]string                 // slots with data -> their host
	givenUp   map[string]bool                   // instances whose data a person gave up
	forgotten map[string]bool                   // hosts whose balancer a person gave up for good
	heard     map[string]time.Time              // hosts, by the hub that runs now
	stopped   map[string]bool                   // hosts whose agent said that it stops
	wordless  map[fleet.ServiceKey]time.Time    // since when a service lacks a reason
	hubStart  time.Time
	since     time.Time // from when on silence counts
	revision  uint64
	restored  uint64                    // the revision from which a restored store went on; 0: none was
	ordered   map[fleet.ServiceKey]bool // services about which a person gave an order since then
	takenIn   map[string]bool           // instances that the restored store lacks, and the hub took in
	ended     map[string]*memory        // instances whose container was removed by an order
	trials    map[rolloutOf]*trial
	requests  map[versionOf]uint64 // those that versions have answered
	versions  map[versionOf]fleet.Version
	removed   map[fleet.ServiceKey]bool // services that were there before
	endings   map[string]int            // instances whose program ended, and with which code
	began     map[fleet.ServiceKey]bool // services that wait for no others any more
	completed map[versionOf]bool        // versions of which a program has ended well
	everRan   map[string]bool           // instances whose program was ever started
	adopted   map[string]bool           // events of instances that the hub took in
	calm      bool                      // nothing breaks
	values    map[string]string         // of secrets, by their revisions and sums
}

func newChecker(s *Sim) *checker {
	return &checker{
		sim: s, names: map[string]string{}, stops: map[string]bool{},
		instances: map[string]turn.Instance{}, services: map[fleet.ServiceKey]turn.Service{}, hosts: map[string]turn.Host{},
		pools: map[string]fleet.Pool{}, removals: map[string]bool{}, events: map[string]bool{}, answers: map[string]fleet.Result{},
		excused: map[string]map[string]bool{}, ready: map[string]int{}, told: map[string]map[int]int{}, accepted: map[string]fleet.Observed{},
		released: map[string]*rest{}, homes: map[string]string{}, givenUp: map[string]bool{},
		forgotten: map[string]bool{}, heard: map[string]time.Time{}, stopped: map[string]bool{}, wordless: map[fleet.ServiceKey]time.Time{},
		removed: map[fleet.ServiceKey]bool{}, ordered: map[fleet.ServiceKey]bool{}, takenIn: map[string]bool{}, ended: map[string]*memory{},
		trials: map[rolloutOf]*trial{}, requests: map[versionOf]uint64{}, versions: map[versionOf]fleet.Version{}, adopted: map[string]bool{}, endings: map[string]int{},
		began: map[fleet.ServiceKey]bool{}, completed: map[versionOf]bool{}, everRan: map[string]bool{},
		values: map[string]string{},
	}
}

// committed looks at what the hub decided.
func (k *checker) committed(revision uint64, rows []turn.Row, events []fleet.Event) {
	if revision <= k.revision {
		k.sim.violate("revision %d was committed after %d", revision, k.revision)
	}
	k.revision = revision
	for i := range events {
		k.caused(&events[i])
	}
	unsettled, told := k.unsettled(), steered(events)
	var moved [][2]turn.Service // before and now
	for _, row := range rows {  // what instances are held against
		switch row.Table {
		case "services":
			if s := read[turn.Service](k, row); s != nil {
				if before, known := k.services[s.Asked.Key]; known {
					moved = append(moved, [2]turn.Service{before, *s})
				}
				k.services[s.Asked.Key] = *s
				k.numbered(s)
				k.beginnings(s, events)
			} else if key, err := fleet.ParseServiceKey(row.Key); err == nil {
				gone := k.services[key] // its removal may end in the turn in which it is ordered
				gone.Removing, k.removed[key] = true, true
				delete(k.began, key)
				k.services[key] = gone
			}
		case "secrets":
			if s := read[turn.Secret](k, row); s != nil {
				for revision, v := range s.Values {
					k.secret(row.Key, v.Fingerprint, revision, string(v.Sealed))
				}
			}
		case "hosts":
			k.hostRow(row, events)
		case "balancers":
			if b := read[turn.Balancer](k, row); b != nil && b.Forgotten != "" {
				k.gaveUpBalancer(b.Key.Host)
			}
		}
	}
	var left, born []turn.Instance
	for _, row := range rows {
		switch row.Table {
		case "instances":
			before, known := k.instances[row.Key]
			k.instance(row, unsettled)
			if !known && row.Value != nil {
				born = append(born, k.instances[row.Key])
			}
			if now := k.instances[row.Key]; before.Goal == fleet.GoalRun && now.Goal == fleet.GoalDrain {
				left = append(left, now)
			}
		case "pools":
			k.pool(row)
		}
	}
	for i := range born {
		k.inOrder(&born[i])
		k.comes(&born[i])
	}
	k.enoughStay(left)
	k.remains()
	for i := range moved {
		k.moves(&moved[i][0], &moved[i][1], events)
		k.rolled(&moved[i][0], &moved[i][1], told[moved[i][1].Asked.Key])
	}
}

// read returns what a row has; nil: it is deleted.
func read[V any](k *checker, row turn.Row) *V {
	if row.Value == nil {
		return nil
	}
	var r struct{ Record *V }
	if err := json.Unmarshal(row.Value, &r); err != nil {
		k.sim.violate("%s %s can't be read back: %v", row.Table, row.Key, err)
		return nil
	}
	return r.Record
}

func (k *checker) instance(row turn.Row, unsettled map[fleet.ServiceKey]bool) {
	read := read[turn.Instance](k, row)
	if read == nil {
		k.leftBehind(k.instances[row.Key])
		delete(k.instances, row.Key)
		return
	}
	in := *read
	before, known := k.instances[in.ID]
	k.found(&in, unsettled)
	k.instances[in.ID] = in
	k.names[in.ID] = fmt.Sprintf("%s/%d", in.Service.Name, in.Slot)
	if in.Cause == "" {
		k.sim.violate("%s has no cause", &in)
	}
	stopped := k.stops[in.ID]
	if in.Goal == fleet.GoalStop {
		k.stops[in.ID] = true
	}
	if before.Goal == fleet.GoalStop && in.Goal != fleet.GoalStop {
		k.sim.violate("%s was to stop and is to %s again", in.ID, in.Goal)
	}
	if !known {
		k.strays(&in)
		k.runsWhereStopped(&in)
	} else {
		k.givesUp(&before, &in)
		k.goesBack(&before, &in)
		k.unready(&before, &in)
		if !stopped { // a restored hub may hear of a stop that it has forgotten
			k.stays(&before, &in)
		}
	}
	for balancer, how := range in.Released {
		if before.Released[balancer] == "" {
			k.letGo(in.ID, balancer, how)
		}
	}
}

// answered looks at what a person is told.
func (k *checker) answered(r turn.Reply) {
	if r.Err == nil && r.Result.Changed && k.sim.hub.store.revision < r.Result.Revision {
		k.sim.violate("revision %d is acknowledged, but the disk has %d", r.Result.Revision, k.sim.hub.store.revision)
	}
}

// repeated looks at the answer to an order: the same as before, where the same
// order was answered before.
func (k *checker) repeated(id string, now fleet.Result) {
	before, again := k.answers[id]
	if again && (before.Revision != now.Revision || before.Changed != now.Changed || before.Message != now.Message) {
		k.sim.violate("%s was answered by %q at revision %d, and again by %q at %d", id, before.Message, before.Revision, now.Message, now.Revision)
	}
	k.answers[id] = now
}

// reported remembers who was said to be ready.
func (k *checker) reported(a *fleet.Actual) {
	for _, in := range a.Instances {
		if c := k.sim.hosts[a.Host].engine.containers[in.Container]; c != nil && c.Labels[brain.LabelLineage] != lineage {
			k.sim.violate("%s calls %s, a container of another fleet's, its own", a.Host, in.Container)
		}
		if in.Ready {
			k.ready[in.ID], k.told[in.ID] = in.Version, in.Ports
		}
	}
}

// observed looks at what a host accepted: never something older.
func (k *checker) observed(h *host, o fleet.Observed) {
	before := k.accepted[h.id]
	if o.Epoch < before.Epoch || o.Epoch == before.Epoch && o.Generation < before.Generation {
		k.sim.violate("%s went back from epoch %d generation %d to %d/%d", h.id, before.Epoch, before.Generation, o.Epoch, o.Generation)
	}
	k.accepted[h.id] = o
}

// touches looks at an operation before the engine begins it.
func (k *checker) touches(h *host, op *brain.Op, c *container) {
	if op.Cause == "" {
		k.sim.violate("%s of %s on %s has no cause", op.Kind, op.Instance, h.id)
	}
	if op.Kind == brain.OpCreate {
		if end := k.ended[op.Instance]; end != nil && !end.lost() {
			k.sim.violate("%s on %s is made again, though it was stopped for good", op.Instance, h.id)
		}
		k.portsAreSaved(h, op)
	}
	if c == nil {
		return
	}
	if c.Labels[brain.LabelLineage] != lineage || c.Labels[brain.LabelHost] != h.id || c.Labels[brain.LabelInstance] != op.Instance {
		k.sim.violate("%s of %s on %s touches a container that isn't its own (%v)", op.Kind, c.ID, h.id, c.Labels)
		return
	}
	if k.stops[op.Instance] && (op.Kind == brain.OpStop || op.Kind == brain.OpRemove) {
		k.stopIsSaved(h, op)
	}
	switch {
	case op.Kind == brain.OpStart && c.State == brain.ContainerRunning:
		k.sim.violate("%s on %s runs and is started again", op.Instance, h.id)
	case op.Kind == brain.OpRemove && !k.stops[op.Instance] && !c.StartedAt.IsZero() && c.State != brain.ContainerDead:
		k.sim.violate("the container of %s on %s is removed without an order", op.Instance, h.id)
	case op.Kind == brain.OpStop && !k.stops[op.Instance]:
		k.sim.violate("%s on %s is stopped without an order", op.Instance, h.id)
	case op.Kind == brain.OpStop:
		k.stopping(op.Instance)
	case op.Kind == brain.OpRemove:
		delete(k.ended, op.Instance)
		if k.stops[op.Instance] {
			k.ended[op.Instance] = &memory{host: h.id, lostByHub: k.stillWanted(op.Instance)}
		}
		for _, port := range k.told[op.Instance] { // nobody sends to what was never called ready
			known := memory{host: h.id, lostByHub: !k.heldFor(h.id, op.Instance, port)}
			k.released[fmt.Sprintf("%s:%d", h.address, port)] = &rest{memory: known, port: port, since: k.sim.now}
		}
	}
}

// granted looks at a server that gets traffic from now on.
func (k *checker) granted(s *server) {
	if version, known := k.ready[s.Instance]; !known || version == 0 {
		k.sim.violate("the balancer on %s sends to %s, which no agent called ready", s.worker.haproxy.host.id, s.Instance)
	}
}

// routed looks at one request.
func (k *checker) routed(s *server, c *container) {
	k.granted(s)
	if c != nil && c.instance != s.Instance {
		k.sim.violate("a request for %s reaches %s (%s)", s.Instance, c.ID, c.instance)
	}
}
