package simtest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// TestScripts runs the stories in testdata. After a deliberate change of
// behaviour, `go test ./hub/simtest -run TestScripts -rewrite` writes what
// happens now; read the difference as carefully as code.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("there are no scripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := &script{t: t, sim: New(DefaultOptions())}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				s.data = d
				return s.command()
			})
		})
	}
}

// script is one story while it is told.
type script struct {
	t      *testing.T
	sim    *Sim
	data   *datadriven.TestData
	marked string // the containers at the last mark
	began  time.Duration
	old    map[string][]byte // desired states kept for later, by host
}

func (s *script) command() string {
	switch s.data.Cmd {
	case "hosts":
		return s.addHosts()
	case "apply":
		return s.apply()
	case "scale":
		count, err := strconv.Atoi(s.value("count", ""))
		if err != nil {
			s.t.Fatal(err)
		}
		return s.order(fleet.Command{Do: fleet.DoScale, Service: s.service(), Count: count})
	case "order":
		return s.order(s.ordered())
	case "run":
		return s.run()
	case "show":
		return s.show()
	case "expect":
		return s.expect()
	case "mark":
		s.marked, s.began = s.sim.Show("containers"), s.sim.now.Sub(s.sim.start)
		return ""
	}
	return s.fault()
}

func (s *script) fault() string {
	what := s.word(0)
	switch s.data.Cmd {
	case "cut":
		s.sim.Cut(what)
	case "isolate":
		s.sim.Isolate(what)
	case "reset":
		s.sim.Reset(what)
	case "heal":
		s.sim.Heal(what)
	case "power-off":
		s.sim.PowerOff(what)
	case "slow-disk":
		s.sim.hosts[what].slow = s.duration("by", 0)
	case "clock":
		s.sim.hosts[what].skew = s.duration("by", 0)
	case "power-on":
		s.sim.PowerOn(what)
	case "kill":
		return s.kill(s.word(1))
	case "connect":
		service, in := s.instance(what)
		if !s.sim.Connect(service, in, s.duration("for", 0)) {
			return "no balancer sends to it\n"
		}
	case "crash":
		return s.crash(what)
	case "restart":
		return s.restart(what)
	case "join":
		s.sim.Rejoin(what)
	case "keep-desired":
		s.keepDesired(what)
	case "send-desired":
		s.sendDesired(what, s.word(1))
	case "image":
		habit, known := habits[s.word(1)]
		if !known {
			s.t.Fatalf("%s: no habit %q", s.data.Pos, s.word(1))
		}
		habit(s.sim.image(what))
	default:
		s.t.Fatalf("%s: no command %q", s.data.Pos, s.data.Cmd)
	}
	return s.time(0)
}

// time lets time pass and fails the test when something was violated.
func (s *script) time(d time.Duration) string {
	if err := s.sim.Run(d); err != nil {
		s.t.Fatalf("%s: %v", s.data.Pos, err)
	}
	return ""
}

func (s *script) run() string {
	d, err := time.ParseDuration(s.word(0))
	if err != nil {
		s.t.Fatalf("%s: %v", s.data.Pos, err)
	}
	return s.time(d)
}

func (s *script) addHosts() string {
	balancers := strings.Split(s.value("balancer", ""), "|")
	for _, arg := range s.data.CmdArgs {
		if len(arg.Vals) == 0 {
			s.sim.AddHost(arg.Key, slices.Contains(balancers, arg.Key))
		}
	}
	s.sim.Open()
	return s.time(4 * time.Second) // what another hub left there is waited for
}

func (s *script) apply() string {
	count, err := strconv.Atoi(s.value("count", "1"))
	if err != nil {
		s.t.Fatal(err)
	}
	service := Web(s.word(0), count, s.value("image", s.word(0)+":1"))
	if s.data.HasArg("plain") {
		service.Balancing = nil
	}
	if s.data.HasArg("one-shot") {
		service.Mode, service.Count, service.Balancing, service.Spec.Publish, service.Spec.Probe = fleet.ModeJob, 0, nil, nil, nil
		service.Spec.Restart = fleet.Restart{Policy: fleet.RestartNo}
	}
	for on := range strings.SplitSeq(s.value("after", ""), "|") {
		if name, condition, after := strings.Cut(on, ":"); after {
			condition, restart := strings.CutSuffix(condition, "+restart")
			service.DependsOn = append(service.DependsOn, fleet.Dependency{Service: name, Condition: condition, Restart: restart})
		}
	}
	byName(service.DependsOn)
	if volume := s.value("volume", ""); volume != "" {
		service.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_" + volume, Target: "/data"}}
	}
	return s.order(fleet.Command{Do: fleet.DoApply, Project: project, Services: []fleet.Service{service}})
}

func (s *script) ordered() fleet.Command {
	c := fleet.Command{Do: s.word(0)}
	switch {
	case strings.HasPrefix(c.Do, "host-"):
		c.Host, c.Policy = s.word(1), s.value("policy", "")
		c.For, c.Reason, c.Drain = fleet.Duration(s.duration("for", 0)), s.value("reason", ""), s.data.HasArg("drain")
		c.Force, c.DataLost, c.Unserved = s.data.HasArg("force"), s.data.HasArg("data-lost"), s.data.HasArg("unserved")
	case c.Do == fleet.DoRebalance:
		if name := s.word(1); name != "" {
			c.Service = fleet.ServiceKey{Project: project, Name: name}
		}
	case c.Do == fleet.DoBalancerForget:
		c.Balancer = fleet.BalancerKey{Host: s.word(1), Name: balancerName}
	default:
		c.Service, c.Host = fleet.ServiceKey{Project: project, Name: s.word(1)}, s.value("host", "")
	}
	return c
}

func (s *script) order(c fleet.Command) string {
	result, err := s.sim.Order(c)
	if err != nil {
		return err.Error() + "\n"
	}
	return result.Message + "\n"
}

func (s *script) show() string {
	switch s.word(0) {
	case "pool":
		return s.sim.Pool(fleet.ServiceKey{Project: project, Name: s.word(1)})
	case "events":
		since := s.duration("since", 0)
		if s.value("since", "") == "mark" {
			since = s.began
		}
		types := strings.Split(s.value("of", ""), "|")
		return s.sim.Events(since, types...)
	}
	return s.sim.Show(s.word(0))
}

func (s *script) expect() string {
	switch s.word(0) {
	case "converged":
		if err := s.sim.Await(s.duration("within", 0)); err != nil {
			s.t.Fatalf("%s: %v", s.data.Pos, err)
		}
		return "converged\n"
	case "unchanged": // the containers since the mark, their starts included
		if now := s.sim.Show("containers"); now != s.marked {
			return fmt.Sprintf("changed from\n%sto\n%s", s.marked, now)
		}
		return "unchanged\n"
	}
	s.t.Fatalf("%s: nobody knows how to expect %q", s.data.Pos, s.word(0))
	return ""
}

func (s *script) crash(what string) string {
	switch {
	case what != "hub":
		s.sim.CrashAgent(s.word(1))
	case s.value("at", "") != "":
		s.sim.hub.crashAt = s.value("at", "")
	default:
		s.sim.hub.crash()
	}
	return s.time(0)
}

func (s *script) restart(what string) string {
	s.time(s.duration("after", 0))
	if what == "hub" {
		s.sim.hub.start()
	} else {
		s.sim.StartAgent(s.word(1))
	}
	return s.time(0)
}

// kill ends the program in an instance's container.
func (s *script) kill(what string) string {
	_, id := s.instance(what)
	in := s.sim.checker.instances[id]
	e := s.sim.hosts[in.Host].engine
	for _, c := range e.sorted() {
		if c.instance == id && c.State == brain.ContainerRunning {
			e.exit(c, 137)
			return s.time(0)
		}
	}
	return "it doesn't run\n"
}

func (s *script) keepDesired(host string) {
	if s.old == nil {
		s.old = map[string][]byte{}
	}
	s.old[host] = slices.Clone(s.sim.hub.broker.retained[wire.Host(host, wire.LeafDesired)])
}

// sendDesired gives an agent a message that the hub wouldn't send now.
func (s *script) sendDesired(host, which string) {
	payload := map[string][]byte{
		"old":     s.old[host],
		"empty":   {},
		"damaged": damaged(s.old[host]),
		"bare":    s.bare(host),
	}[which]
	if payload == nil {
		s.t.Fatalf("%s: there is no %q desired state of %s", s.data.Pos, which, host)
	}
	s.sim.hosts[host].agent.message(wire.Host(host, wire.LeafDesired), payload)
}

// bare is a newer desired state that asks for nothing.
func (s *script) bare(host string) []byte {
	var desired fleet.Desired
	env, err := wire.Open(s.sim.hub.broker.retained[wire.Host(host, wire.LeafDesired)], &desired)
	if err != nil {
		s.t.Fatal(err)
	}
	desired.Instances, desired.Versions, desired.Pools = nil, nil, nil
	payload, err := wire.Seal(env.Lineage, env.Epoch, env.Generation+1000, desired)
	if err != nil {
		s.t.Fatal(err)
	}
	return payload
}

// instance finds "web/2": the instance of the service in that slot.
func (s *script) instance(what string) (fleet.ServiceKey, string) {
	name, slot, _ := strings.Cut(what, "/")
	key := fleet.ServiceKey{Project: project, Name: name}
	for _, in := range s.sim.hub.state.View(s.sim.hub.now()).Instances(key, "") { // a dead hub's memory will do
		if strconv.Itoa(in.Slot) == slot {
			return key, in.ID
		}
	}
	s.t.Fatalf("%s: there is no instance %s", s.data.Pos, what)
	return key, ""
}

func (s *script) service() fleet.ServiceKey {
	return fleet.ServiceKey{Project: project, Name: s.word(0)}
}

func (s *script) word(n int) string {
	for _, arg := range s.data.CmdArgs {
		if len(arg.Vals) > 0 {
			continue
		}
		if n == 0 {
			return arg.Key
		}
		n--
	}
	return ""
}

func (s *script) value(key, otherwise string) string {
	if arg, ok := s.data.Arg(key); ok && len(arg.Vals) > 0 {
		return arg.Vals[0]
	}
	return otherwise
}

func (s *script) duration(key string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(s.value(key, "")); err == nil {
		return d
	}
	return otherwise
}
