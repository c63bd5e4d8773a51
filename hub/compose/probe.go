package compose

import (
	"github.com/musterhq/muster/shared/fleet"
)

// mapProbe reads x-probe. Without it, a balanced service gets a probe of what
// its balancers need: their check's path where there is one, else a
// connection to its first container port.
func mapProbe(p *problems, path string, value any, balancing *fleet.Balancing) *fleet.Probe {
	if value == nil {
		return defaultProbe(balancing)
	}
	f, ok := newFields(p, path, value)
	if !ok {
		return nil
	}
	startPeriod, _ := f.wait("start_period")
	probe := &fleet.Probe{
		Port:        f.port("port"),
		Interval:    f.duration("interval"),
		Timeout:     f.duration("timeout"),
		Rise:        f.number("rise", maxTries),
		Fall:        f.number("fall", maxTries),
		StartPeriod: startPeriod,
	}
	f.kind(probe)
	f.done()
	if probe.Port == 0 {
		probe.Port = probePort(probe.Type, balancing)
	}
	if probe.Port == 0 {
		p.invalid(join(path, "port"), "missing").WithHint("name the container port to probe")
	}
	return probe
}

// kind reads what is probed: "http: /path", "tcp: true" or "tcp: 6379".
func (f *fields) kind(probe *fleet.Probe) {
	hasTCP, hasHTTP := f.has("tcp"), f.has("http")
	tcp, _ := f.flag("tcp")
	switch {
	case hasHTTP && hasTCP:
		f.p.invalid(f.at("tcp"), "contradicts http").WithHint("probe one of them")
	case hasHTTP:
		probe.Type, probe.Path = fleet.ProbeHTTP, f.urlPath("http")
		if probe.Path == "" {
			f.p.invalid(f.at("http"), "must be a path").WithHint("write it like http: /healthz")
		}
	case tcp:
		probe.Type = fleet.ProbeTCP
	case hasTCP:
		probe.Type = fleet.ProbeTCP
		port := f.port("tcp")
		if probe.Port != 0 && port != 0 && probe.Port != port {
			f.p.invalid(f.at("port"), "contradicts tcp: %d", port).WithHint("name the port once")
		}
		probe.Port = port
	default:
		f.p.invalid(f.path, "says neither http nor tcp").WithHint("add http: /healthz or tcp: true")
	}
}

func defaultProbe(b *fleet.Balancing) *fleet.Probe {
	if b == nil || len(b.Routes) == 0 {
		return nil
	}
	return &fleet.Probe{Type: b.Check.Type, Path: b.Check.Path, Port: probePort(b.Check.Type, b)}
}

// probePort is the first container port on the balancers that speaks the
// probe's protocol, or the first one that may; 0: none.
func probePort(kind string, b *fleet.Balancing) int {
	if b == nil || len(b.Routes) == 0 {
		return 0
	}
	if kind != fleet.ProbeHTTP {
		return b.Routes[0].Target
	}
	port := 0
	for _, route := range b.Routes {
		switch {
		case route.Protocol == fleet.ProtocolHTTP:
			return route.Target
		case port == 0 && answersHTTP(route):
			port = route.Target
		}
	}
	return port
}
