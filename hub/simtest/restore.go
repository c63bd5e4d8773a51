package simtest

import (
	"maps"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// beyond is how far a restored store's revisions go on beyond its own.
const beyond = 1_000_000_000

// copied is what a backup of the store has.
func (s *store) copied() *store {
	c := &store{epoch: s.epoch, revision: s.revision, restored: s.restored, rows: map[string]map[string][]byte{}}
	for table, rows := range s.rows {
		c.rows[table] = maps.Clone(rows)
	}
	return c
}

// put exchanges what the store has for a backup, as muster-hub restore does, or
// for nothing, as muster-hub recover does.
func (s *store) put(backup *store, now time.Time) {
	s.epoch, s.rows, s.events = backup.epoch, backup.rows, nil
	s.revision = max(backup.revision+beyond, uint64(now.UnixMilli()))
	s.restored = s.revision
}

// rewind takes a backup of the hub's store, and some time later the hub has to
// go on with that; now and then with nothing, where that may be.
func (c *chaos) rewind(blank bool) {
	d := c.chance("restore")
	c.after(d.between(0, 15*time.Second), func() {
		backup, homes := c.hub.store.copied(), maps.Clone(c.checker.homes)
		c.say("hub", "a backup is made, of revision %d", backup.revision)
		c.after(d.between(time.Second, 24*time.Second), func() {
			c.hub.crash()
			if d.IntN(4) == 0 && blank {
				backup, homes = newStore(), map[string]string{}
			}
			c.hub.store.put(backup, c.now.Add(c.hub.skew))
			c.checker.rewound(homes)
			c.say("hub", "its store is the one of revision %d", backup.revision)
			c.after(d.between(0, 10*time.Second), c.hub.start)
		})
	})
}

// rewound has the checker know what the hub knows now. What runs, what was ever
// stopped, and what hosts accepted is as it was. Where data was that moved since,
// or that the hub doesn't know of, is open.
func (k *checker) rewound(homes map[string]string) {
	store := k.sim.hub.store
	k.restored, k.answers = store.restored, map[string]fleet.Result{}
	k.ordered, k.takenIn = map[fleet.ServiceKey]bool{}, map[string]bool{}
	k.services, k.hosts, k.pools = map[fleet.ServiceKey]turn.Service{}, map[string]turn.Host{}, map[string]fleet.Pool{}
	maps.DeleteFunc(k.homes, func(slot, host string) bool { return homes[slot] != host })
	for key, value := range store.rows["services"] {
		if s := read[turn.Service](k, turn.Row{Table: "services", Key: key, Value: value}); s != nil {
			k.services[s.Asked.Key] = *s
		}
	}
	for key, value := range store.rows["hosts"] {
		if h := read[turn.Host](k, turn.Row{Table: "hosts", Key: key, Value: value}); h != nil {
			k.hosts[h.ID] = *h
		}
	}
	for key, value := range store.rows["pools"] {
		if p := read[turn.Published](k, turn.Row{Table: "pools", Key: key, Value: value}); p != nil {
			k.pools[key] = p.Pool
		}
	}
	k.restsRewound()
	k.versions = map[versionOf]fleet.Version{} // numbers given since say nothing
	for id, end := range k.ended {
		end.lostByHub = k.stillWanted(id)
	}
	for id, in := range k.instances { // nobody has decided anything about those that the backup lacks
		in.Goal, in.Ready = "", false
		if known := k.stored(id); known != nil {
			in.Goal, in.Released = known.Goal, known.Released
		} else {
			k.givenUp[id] = true // the hub may not hear of its data before it places others
		}
		k.instances[id] = in
	}
	for id := range store.rows["instances"] { // forgotten since: its host may have left, and its container go on there
		if in := k.stored(id); in != nil {
			if _, known := k.instances[id]; !known {
				k.instances[id] = *in
			}
		}
	}
	for host := range k.sim.hosts {
		if k.accepted[host].Epoch == 0 { // it has joined, maybe again, and no more than that
			k.knowsNothing(host)
		}
	}
}

// found looks for instances that a restored hub takes in before it has decided
// anything about their service. unsettled are those services.
func (k *checker) found(in *turn.Instance, unsettled map[fleet.ServiceKey]bool) {
	if unsettled[in.Service] && k.adopted[in.Cause] {
		k.takenIn[in.ID] = true
	}
}

// unsettled are the services of which a restored hub hasn't decided yet whether
// they are what the backup says.
func (k *checker) unsettled() map[fleet.ServiceKey]bool {
	services := map[fleet.ServiceKey]bool{}
	for key, s := range k.services {
		if s.Settled < k.restored && !s.Removing {
			services[key] = true
		}
	}
	return services
}

// goesBack looks at an instance that a restored hub took in: it stays until a
// person has said what is to become of its service.
func (k *checker) goesBack(before, in *turn.Instance) {
	if !k.takenIn[in.ID] || before.Goal != fleet.GoalRun || in.Goal == fleet.GoalRun || in.Lost || k.ordered[in.Service] || k.services[in.Service].Removing {
		return
	}
	k.sim.violate("%s is to %s since the store was restored, though nobody has said so", in, in.Goal)
}

// hasSaid: a person gave an order. One about a host is about all that it has.
func (k *checker) hasSaid(c *fleet.Command) {
	for key := range k.services {
		if c.Service.IsZero() || c.Service == key {
			k.ordered[key] = true
		}
	}
}
