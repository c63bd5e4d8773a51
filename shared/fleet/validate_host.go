package fleet

// Validate refuses a sign of life that no correct agent sends. A farewell may
// lack the session: the agent may have none when it stops.
func (p *Presence) Validate() error {
	session := text("session", p.Session, maxName)
	if p.State == PresenceOnline || p.State == PresenceLost {
		session = name("session", p.Session, maxName)
	}
	if len(p.Pools) > maxPools {
		return Invalid("pools", "has %d entries, more than %d", len(p.Pools), maxPools)
	}
	for key := range p.Pools {
		if err := service("pools", key); err != nil {
			return err
		}
	}
	return first(
		reported("state", p.State, PresenceOnline, PresenceLost, PresenceStopping, PresenceRebooting, PresenceUpgrading, PresenceLeft),
		text("bootID", p.BootID, maxName),
		name("agentStart", p.AgentStart, maxName),
		session,
		p.Observed.validate(),
	)
}

func (o *Observed) validate() *Error {
	return firstOf(text("observed.lineage", o.Lineage, maxName), text("observed.sum", o.Sum, maxName))
}

// Without its machine's id the hub can't tell a host from one that only says
// that it is that host.
func (f *HostFacts) validate() *Error {
	return firstOf(
		text("hostname", f.Hostname, maxName),
		text("os", f.OS, maxName),
		text("distribution", f.Distribution, maxName),
		text("kernel", f.Kernel, maxName),
		text("architecture", f.Architecture, maxName),
		notNegative("cpus", f.CPUs),
		notNegative("memory", f.Memory),
		text("engineVersion", f.EngineVersion, maxName),
		each("addresses", maxAddresses, f.Addresses, func(a *string) *Error { return address("address", *a) }),
		address("advertise", f.Advertise),
		name("machineID", f.MachineID, maxMachine),
		text("bootID", f.BootID, maxName),
		labels("labels", f.Labels),
		text("agentVersion", f.AgentVersion, maxName),
		features(f.Features),
		f.validateRange(),
		each("balancers", maxBalancers, f.Balancers, (*BalancerFacts).validate),
		unique("balancers", f.Balancers, func(b *BalancerFacts) string { return b.Name }),
		recipient("secretsKey", f.SecretsKey),
		each("devices", MaxDevices, f.Devices, func(device *string) *Error { return name("path", *device, maxName) }),
		f.validateResources(),
	)
}

func features(names []string) *Error {
	return each("features", maxFeatures, names, func(feature *string) *Error { return name("name", *feature, maxName) })
}

func (f *HostFacts) validateResources() *Error {
	if len(f.Resources) > maxResources {
		return Invalid("resources", "has %d entries, more than %d", len(f.Resources), maxResources)
	}
	for kind, count := range f.Resources {
		if ValidateResource(kind, count) != nil {
			return Invalid("resources", "%.80q: %d is no number of a resource", kind, count)
		}
	}
	return nil
}

// validateRange accepts a range of ports, or none.
func (f *HostFacts) validateRange() *Error {
	if f.PortRangeFirst == 0 && f.PortRangeLast == 0 {
		return nil
	}
	if f.PortRangeFirst > f.PortRangeLast {
		return Invalid("portRangeFirst", "%d is above %d", f.PortRangeFirst, f.PortRangeLast)
	}
	return firstOf(port("portRangeFirst", f.PortRangeFirst), port("portRangeLast", f.PortRangeLast))
}

func (b *BalancerFacts) validate() *Error {
	return firstOf(
		matches("name", b.Name, hostName, "a balancer's name"),
		matches("driver", b.Driver, driverName, "a driver"),
		text("version", b.Version, maxName),
		address("address", b.Address),
		labels("labels", b.Labels),
		features(b.Features),
	)
}

func (f *Foreign) validate() *Error {
	return firstOf(
		notNegative("memory", f.Memory),
		notNegative("cpus", f.CPUs),
		each("ports", maxPorts, f.Ports, func(p *int) *Error { return port("port", *p) }),
	)
}
