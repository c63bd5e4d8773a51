package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/agent/internal/readings"
	"github.com/musterhq/muster/shared/buildinfo"
	"github.com/musterhq/muster/shared/fleet"
)

// Features are what versions may require of this agent, because it carries
// them out; sorted.
var Features = []string{
	fleet.FeatureHealthcheck, fleet.FeatureHostPort, fleet.FeatureMountBind, fleet.FeatureMountTmpfs, fleet.FeatureMountVolume,
	fleet.FeatureProbeHTTP, fleet.FeatureProbeTCP, fleet.FeatureResources, fleet.FeatureRestart, fleet.FeatureStopAtOnce, fleet.FeatureStopSignal,
}

// machine tells what the host is and what others use of it.
type machine struct {
	options   *Options
	engine    *engine.Engine
	advertise string
	meter     *readings.Meter // used by one goroutine of the loop

	mu      sync.Mutex // guards version
	version string     // the engine's, as last heard
}

func newMachine(options *Options, e *engine.Engine) (*machine, error) {
	m := &machine{options: options, engine: e, advertise: options.Advertise, meter: readings.NewMeter()}
	if m.advertise == "" {
		address, err := outgoing(options.Hub)
		if err != nil {
			return nil, fmt.Errorf("find this host's address: %w", err)
		}
		m.advertise = address
	}
	return m, nil
}

// outgoing is the address from which this machine reaches the hub. Nothing is
// sent.
func outgoing(hub string) (string, error) {
	u, err := url.Parse(hub)
	if err != nil {
		return "", err
	}
	connection, err := (&net.Dialer{}).Dial("udp", u.Host)
	if err != nil {
		return "", (&fleet.Error{Code: fleet.CodeUnavailable, Message: err.Error()}).WithHint("say it with --advertise")
	}
	defer connection.Close()
	return connection.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

// bind is the address that instances' ports are published on: the advertised
// one where it is this machine's own, else every one.
func (m *machine) bind() string {
	address, err := netip.ParseAddr(m.advertise)
	if err != nil {
		return ""
	}
	if address.IsLoopback() {
		return m.advertise
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range own {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == address {
			return m.advertise
		}
	}
	return ""
}

// engineAnswer bounds the wait for the engine's version: facts can do without.
const engineAnswer = 2 * time.Second

func (m *machine) facts(ctx context.Context) (fleet.HostFacts, error) {
	o := m.options
	facts, err := readings.Facts(ctx, readings.FactsOptions{MachineID: o.MachineID, BootID: o.BootID})
	if err != nil {
		return facts, err
	}
	facts.EngineVersion = m.engineVersion(ctx)
	facts.Advertise = m.advertise
	facts.Labels = o.Labels
	facts.AgentVersion = buildinfo.String()
	facts.Features = Features
	facts.PortRangeFirst, facts.PortRangeLast = o.PortFirst, o.PortLast
	if h := o.HAProxy; h != nil {
		address := h.Address
		if address == "" {
			address = m.advertise
		}
		facts.Balancers = []fleet.BalancerFacts{{Name: h.Name, Driver: balancer.Driver, Address: address, Labels: h.Labels}}
	}
	return facts, nil
}

// engineVersion keeps the last answer while the engine is silent.
func (m *machine) engineVersion(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, engineAnswer)
	defer cancel()
	version, err := m.engine.Version(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.version = version
	}
	return m.version
}

func (m *machine) foreign(ctx context.Context, ours loop.Ours) (fleet.Foreign, error) {
	return m.meter.Foreign(ctx, readings.Ours{Memory: readings.ContainerMemory(ours.Containers), Ports: ours.Ports})
}

func balancerOptions(options *Options, report func(fleet.BalancerActual)) balancer.Options {
	h := options.HAProxy
	o := balancer.DefaultOptions()
	o.Name, o.Binary, o.Dir = h.Name, h.Binary, h.Dir
	if o.Dir == "" {
		o.Dir = filepath.Join(options.StateDir, "haproxy")
	}
	for _, address := range h.Bind {
		o.BindAddresses = append(o.BindAddresses, netip.MustParseAddr(address)) // Validate parsed it
	}
	o.MaxConn, o.Retries, o.HardStop = h.MaxConn, h.Retries, h.HardStop
	o.Logger = options.Logger.With("room", "balancer")
	o.Report = report
	return o
}
