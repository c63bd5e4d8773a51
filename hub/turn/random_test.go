package turn

import (
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

// random is a fleet that anything happens to, in any order. The project shop
// has services of every kind.
type random struct {
	*world
	homes map[int]string  // where the data of db's slots is
	seen  map[string]bool // instances of db
}

func newRandom(t *rapid.T) *random {
	hosts := manyHosts(rapid.IntRange(1, 4).Draw(t, "hosts"))
	r := &random{world: withSecrets(t, hosts...), homes: map[int]string{}, seen: map[string]bool{}}
	r.s.opts.PortHold = 20 * time.Second
	for i, id := range hosts {
		r.hosts[id].facts.Labels = map[string]string{"tier": []string{"web", "db"}[i%2]}
	}
	r.withBalancer(hosts[0])
	r.join()
	r.setSecret("db", "one")
	r.apply(inOrder(t, someServices(t))...)
	return r
}

var (
	api  = fleet.ServiceKey{Project: "shop", Name: "api"}  // takes memory, on some hosts only
	db   = fleet.ServiceKey{Project: "shop", Name: "db"}   // has data
	edge = fleet.ServiceKey{Project: "shop", Name: "edge"} // has a fixed port
	logs = fleet.ServiceKey{Project: "shop", Name: "logs"} // one on every host
	keys = []fleet.ServiceKey{web, api, db, edge, logs}
)

// someService is one of the services, in one of its versions.
func someService(t *rapid.T, key fleet.ServiceKey) fleet.Service {
	s := webService(rapid.IntRange(0, 4).Draw(t, "count"), fmt.Sprintf("%s:%d", key.Name, rapid.IntRange(1, 3).Draw(t, "version")))
	s.Key = key
	if key != web {
		s.Balancing = nil
	}
	switch key {
	case api:
		s.Spec.Resources.MemoryReservation = rapid.SampledFrom([]int64{200, 300, 500}).Draw(t, "memory") << 20
		if rapid.Bool().Draw(t, "constrained") {
			s.Constraints = []fleet.Constraint{{Label: "tier", Equal: true, Value: "web"}}
		}
	case db:
		s.Count = min(s.Count, 2)
		s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	case web:
		if rapid.Bool().Draw(t, "spread") {
			s.Spread = []string{"tier"}
		}
		s.MostPerHost = rapid.SampledFrom([]int{0, 0, 2}).Draw(t, "most")
		if rapid.IntRange(0, 3).Draw(t, "never") == 0 {
			s.Reschedule = fleet.RescheduleNever
		}
		if rapid.Bool().Draw(t, "secret") {
			s.Spec.Secrets = []fleet.SecretMount{{Name: "db", Target: "/run/secrets/db", Mode: 0o444}}
		}
	case edge:
		s.Spec.Publish[0].HostPort = 8443
	case logs:
		s.Mode, s.Count = fleet.ModeGlobal, 0
	}
	return s
}

func someServices(t *rapid.T) (services []fleet.Service) {
	for _, key := range keys {
		if rapid.IntRange(0, 3).Draw(t, "without") > 0 {
			services = append(services, someService(t, key))
		}
	}
	return services
}

// inOrder has some services come after others that are asked for with them.
func inOrder(t *rapid.T, services []fleet.Service) []fleet.Service {
	for i := range services {
		for j := range i {
			if rapid.IntRange(0, 4).Draw(t, "after") == 0 {
				services[i].DependsOn = append(services[i].DependsOn, fleet.Dependency{
					Service:   services[j].Key.Name,
					Condition: rapid.SampledFrom([]string{fleet.ConditionStarted, fleet.ConditionHealthy}).Draw(t, "condition"),
					Restart:   rapid.Bool().Draw(t, "restart"),
				})
			}
		}
	}
	return services
}

func (r *random) someHost(t *rapid.T) *fakeHost {
	return r.hosts[rapid.SampledFrom(sorted(r.hosts, byText)).Draw(t, "host")]
}

// orders are what people do; those that are refused change nothing.
func (r *random) orders() map[string]func(*rapid.T) {
	service := func(do string) func(*rapid.T) {
		return func(t *rapid.T) {
			r.order(fleet.Command{Do: do, Service: rapid.SampledFrom(keys).Draw(t, "service"), Count: rapid.IntRange(0, 5).Draw(t, "count")})
		}
	}
	host := func(do string) func(*rapid.T) {
		return func(t *rapid.T) { r.order(fleet.Command{Do: do, Host: r.someHost(t).id}) }
	}
	there := func(do string) func(*rapid.T) {
		return func(t *rapid.T) {
			r.order(fleet.Command{Do: do, Service: rapid.SampledFrom(keys).Draw(t, "service"), Host: r.someHost(t).id})
		}
	}
	return map[string]func(*rapid.T){
		"apply":           func(t *rapid.T) { r.apply(inOrder(t, someServices(t))...) },
		"scale":           service(fleet.DoScale),
		"restart":         service(fleet.DoRestart),
		"remove":          service(fleet.DoRemove),
		"stop":            service(fleet.DoStop),
		"start":           service(fleet.DoStart),
		"stop on a host":  there(fleet.DoStop),
		"start on a host": there(fleet.DoStart),
		"restart on one":  there(fleet.DoRestart),
		"freeze":          service(fleet.DoFreeze),
		"unfreeze":        service(fleet.DoUnfreeze),
		"drain a host":    host(fleet.DoHostDrain),
		"activate a host": host(fleet.DoHostActivate),
		"maintain a host": func(t *rapid.T) {
			r.order(fleet.Command{
				Do: fleet.DoHostMaintenance, Host: r.someHost(t).id, Drain: rapid.IntRange(0, 3).Draw(t, "drain") == 0,
				For: fleet.Duration(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * time.Second),
			})
		},
		"rebalance": func(t *rapid.T) {
			c := fleet.Command{Do: fleet.DoRebalance, DryRun: rapid.IntRange(0, 3).Draw(t, "dry") == 0}
			if rapid.Bool().Draw(t, "one") {
				c.Service = rapid.SampledFrom(keys).Draw(t, "service")
			}
			r.order(c)
		},
		"freeze a host":   host(fleet.DoFreeze),
		"unfreeze a host": host(fleet.DoUnfreeze),
		"give a host up":  host(fleet.DoHostFail),
		"set a secret": func(t *rapid.T) {
			r.setSecret("db", rapid.SampledFrom([]string{"one", "three", "seven"}).Draw(t, "value"))
		},
		"set a login": func(t *rapid.T) {
			sealed := sealedOf(rapid.SampledFrom([]string{"one", "three"}).Draw(t, "password"))
			r.order(fleet.Command{Do: fleet.DoRegistrySet, Registry: "docker.io", Username: "ann", Sealed: &sealed})
		},
		"remove a secret": func(*rapid.T) { r.order(fleet.Command{Do: fleet.DoSecretRemove, Secret: dbSecret}) },
		"take a host out": func(t *rapid.T) {
			c := fleet.Command{Do: fleet.DoHostRemove, Host: r.someHost(t).id, Policy: rapid.SampledFrom([]string{fleet.LeaveStop, fleet.LeaveKeep}).Draw(t, "policy")}
			c.Unserved = rapid.Bool().Draw(t, "unserved")
			c.DataLost = rapid.IntRange(0, 3).Draw(t, "data") == 0
			c.Force = rapid.Bool().Draw(t, "force")
			r.takeOut(c)
		},
		"let it in again":  func(t *rapid.T) { r.letIn(r.someHost(t)) },
		"restart the hub":  func(*rapid.T) { r.restart() },
		"give its data up": func(t *rapid.T) { r.giveUp(r.someHost(t).id) },
	}
}

func (r *random) giveUp(host string) {
	if r.order(fleet.Command{Do: fleet.DoHostFail, Host: host, DataLost: true}).Err == nil {
		maps.DeleteFunc(r.homes, func(_ int, home string) bool { return home == host })
	}
}

func (r *random) takeOut(c fleet.Command) {
	if r.order(c).Err == nil && c.DataLost {
		maps.DeleteFunc(r.homes, func(_ int, home string) bool { return home == c.Host })
	}
}

// letIn has the agent of a host that left start anew, once somebody lets it in.
func (r *random) letIn(h *fakeHost) {
	if r.s.Left[h.id] == nil {
		return
	}
	r.order(fleet.Command{Do: fleet.DoHostJoin, Host: h.id})
	h.left, h.over, h.cut = false, false, false
	h.start += "+"
}

// troubles are what befalls hosts and instances.
func (r *random) troubles() map[string]func(*rapid.T) {
	instance := func(change func(h *fakeHost, id string)) func(*rapid.T) {
		return func(t *rapid.T) {
			if h := r.someHost(t); len(h.desired.Instances) > 0 {
				change(h, rapid.SampledFrom(h.desired.Instances).Draw(t, "instance").ID)
			}
		}
	}
	return map[string]func(*rapid.T){
		"time":             func(t *rapid.T) { r.pass(time.Duration(rapid.IntRange(1, 8).Draw(t, "seconds")) * time.Second) },
		"a host is silent": func(t *rapid.T) { r.someHost(t).cut = true },
		"a host is back": func(t *rapid.T) {
			h := r.someHost(t)
			h.cut = false
			for _, as := range h.desired.Instances {
				for _, other := range r.hosts {
					delete(other.checks, as.ID)
				}
			}
		},
		"a host dies": func(t *rapid.T) { r.die(r.someHost(t)) },
		"a host joins": func(*rapid.T) {
			if len(r.hosts) < 6 {
				r.add(fmt.Sprintf("new%d", len(r.hosts)))
			}
		},
		"one dies":             instance(func(h *fakeHost, id string) { h.dead[id] = true }),
		"one lives":            instance(func(h *fakeHost, id string) { delete(h.dead, id) }),
		"one isn't ready":      instance(func(h *fakeHost, id string) { h.unready[id] = true }),
		"one is ready":         instance(func(h *fakeHost, id string) { delete(h.unready, id) }),
		"one drains long":      func(t *rapid.T) { r.someHost(t).drained = false },
		"it is drained":        func(t *rapid.T) { r.someHost(t).drained = true },
		"a balancer is deaf":   func(t *rapid.T) { r.someHost(t).deaf = true },
		"the balancer answers": func(t *rapid.T) { r.someHost(t).deaf = false },
	}
}

// die takes a host away for so long that it is given up, unless too many are:
// no balancer reaches what it ran.
func (r *random) die(h *fakeHost) {
	h.cut = true
	for _, as := range h.desired.Instances {
		for _, other := range r.hosts {
			other.checks[as.ID] = fleet.CheckFailing
		}
	}
	r.pass(20 * time.Second)
}

// calm ends all trouble and takes back what holds things up, then lets time
// pass.
func (r *random) calm() {
	r.stepped, r.folded = nil, nil // all of it was looked at
	for _, id := range sorted(r.hosts, byText) {
		h := r.hosts[id]
		h.cut, h.drained, h.deaf = false, true, false
		h.dead, h.unready, h.checks = map[string]bool{}, map[string]bool{}, map[string]string{}
	}
	r.pass(3 * time.Second)
	for _, id := range sorted(r.hosts, byText) {
		r.letIn(r.hosts[id])
		r.order(fleet.Command{Do: fleet.DoUnfreeze, Host: id})
		r.order(fleet.Command{Do: fleet.DoHostActivate, Host: id})
	}
	for _, key := range keys {
		r.order(fleet.Command{Do: fleet.DoUnfreeze, Service: key})
	}
	r.pass(3 * time.Minute) // rollouts and restarts come after one another
}
