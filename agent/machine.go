package agent

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/agent/internal/readings"
	"github.com/musterhq/muster/shared/buildinfo"
	"github.com/musterhq/muster/shared/fleet"
)

// Features are what this agent carries out, so that versions may require it and
// the hub may ask for it; sorted.
var Features = []string{
	fleet.FeatureAnswers, fleet.FeatureConfigs, fleet.FeatureDevices, fleet.FeatureFollow, fleet.FeatureHealthcheck, fleet.FeatureHostPort, fleet.FeatureLeave, fleet.FeatureMountBind, fleet.FeatureMountOptions, fleet.FeatureMountTmpfs, fleet.FeatureMountVolume,
	fleet.FeatureNetworks, fleet.FeaturePrepare, fleet.FeatureProbeHTTP, fleet.FeatureProbeTCP, fleet.FeaturePullPolicy, fleet.FeatureResources, fleet.FeatureRestart, fleet.FeatureRuntime, fleet.FeatureSecrets,
	fleet.FeatureStartInterval, fleet.FeatureStopAtOnce, fleet.FeatureStopSignal,
}

// machine tells what the host is and what others use of it.
type machine struct {
	options *Options
	engine  *engine.Engine
	meter   *readings.Meter // used by one goroutine of the loop
	secrets string          // the public half of the key for secrets

	mu        sync.Mutex // guards the rest
	advertise string     // empty: not found yet
	version   string     // the engine's, as last heard
}

func newMachine(options *Options, e *engine.Engine, secrets string) *machine {
	return &machine{options: options, engine: e, secrets: secrets, advertise: options.Advertise, meter: readings.NewMeter()}
}

// address is the one that others reach this host at, for good once it is
// found; empty: it can't be found now.
func (m *machine) address(ctx context.Context) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.advertise != "" {
		return m.advertise
	}
	address, err := outgoing(ctx, m.options.Hub)
	if err != nil {
		m.options.Logger.Warn("this host's address not found: say it with --advertise, or it is looked for again", "error", err)
		return ""
	}
	m.advertise = address
	return address
}

// outgoing is the address from which this machine reaches the hub. Nothing is
// sent.
func outgoing(ctx context.Context, hub string) (string, error) {
	u, err := url.Parse(hub)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, lookUp)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "udp", u.Host)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	return connection.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

// bind is the address that instances' ports are published on: the advertised
// one where it is this machine's own, else every one.
func bind(advertise string) string {
	address, err := netip.ParseAddr(advertise)
	if err != nil {
		return ""
	}
	if address.IsLoopback() {
		return advertise
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range own {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == address {
			return advertise
		}
	}
	return ""
}

const (
	// engineAnswer bounds the wait for the engine's version: facts can do without.
	engineAnswer = 2 * time.Second
	// lookUp bounds the wait for the hub's address: what runs here is looked
	// after without.
	lookUp = 2 * time.Second
)

func (m *machine) read(ctx context.Context) (brain.FactsRead, error) {
	facts, err := m.facts(ctx)
	return brain.FactsRead{Facts: facts, Bind: bind(facts.Advertise)}, err
}

func (m *machine) facts(ctx context.Context) (fleet.HostFacts, error) {
	o := m.options
	facts, err := readings.Facts(ctx, readings.FactsOptions{MachineID: o.MachineID, BootID: o.BootID})
	if err != nil {
		return facts, err
	}
	facts.EngineVersion = m.engineVersion(ctx)
	facts.Advertise = m.address(ctx)
	facts.Labels, facts.Resources = o.Labels, o.Resources
	facts.AgentVersion = buildinfo.String()
	facts.Features, facts.SecretsKey, facts.Devices = Features, m.secrets, readings.Devices()
	facts.PortRangeFirst, facts.PortRangeLast = o.PortFirst, o.PortLast
	facts.Balancers = o.balancerFacts(facts.Advertise)
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

// disk reads the file system of the engine's directory. An engine that isn't on
// this machine has none that can be read.
func (m *machine) disk(ctx context.Context) (brain.DiskRead, error) {
	root, err := m.engine.Root(ctx)
	if err != nil {
		return brain.DiskRead{}, err
	}
	used, size, err := readings.Disk(ctx, root)
	return brain.DiskRead{Used: used, Size: size}, err
}
