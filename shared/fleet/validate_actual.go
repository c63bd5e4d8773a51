package fleet

// Validate refuses a report that no correct agent sends: what the hub takes
// of it goes into names, keys and addresses that others rely on.
func (a *Actual) Validate() error {
	return first(
		matches("host", a.Host, hostName, "a host id"),
		within("facts", a.Facts.validate()),
		name("agentStart", a.AgentStart, maxName),
		name("session", a.Session, maxName),
		a.Observed.validate(),
		text("engine.problem", a.Engine.Problem, MaxReason),
		each("instances", maxInstances, a.Instances, (*InstanceActual).validate),
		unique("instances", a.Instances, func(in *InstanceActual) string { return in.ID }),
		each("balancers", maxBalancers, a.Balancers, (*BalancerActual).validate),
		unique("balancers", a.Balancers, func(b *BalancerActual) string { return b.Name }),
		within("foreign", a.Foreign.validate()),
		refused(a.Refused),
		prepared(a.Prepared),
		text("problem", a.Problem, MaxReason),
	)
}

func refused(versions map[string]string) *Error {
	if len(versions) > maxRefused {
		return Invalid("refused", "has %d entries, more than %d", len(versions), maxRefused)
	}
	for version, why := range versions {
		if err := firstOf(name("refused", version, maxName), text("refused", why, MaxReason)); err != nil {
			return err
		}
	}
	return nil
}

func prepared(versions map[string]Prepared) *Error {
	if len(versions) > maxPrepared {
		return Invalid("prepared", "has %d entries, more than %d", len(versions), maxPrepared)
	}
	for version, p := range versions {
		if _, _, err := ParseVersionKey(version); err != nil {
			return Invalid("prepared", "%.140q is not a version", version)
		}
		if err := firstOf(text("prepared", p.Image, maxLabel), text("prepared", p.Digest, maxLabel), text("prepared", p.Problem, MaxReason)); err != nil {
			return err
		}
	}
	return nil
}

// Only what nobody claims may lack its service: its container's labels may
// have been made by hand.
func (in *InstanceActual) validate() *Error {
	owner := service("service", in.Service)
	if in.Unclaimed && in.Service.IsZero() {
		owner = nil
	}
	return firstOf(
		matches("id", in.ID, instanceName, "an instance's id"),
		owner,
		notNegative("version", in.Version),
		notNegative("slot", in.Slot),
		notNegative("incarnation", in.Incarnation),
		text("container", in.Container, maxName),
		text("image", in.Image, maxLabel),
		text("digest", in.Digest, maxLabel),
		text("spec", in.Spec, maxName),
		reported("phase", in.Phase, PhasePending, PhasePulling, PhaseStarting, PhaseRunning, PhaseBackoff, PhaseExited, PhaseStopping, PhaseStopped),
		address("address", in.Address),
		ports(in.Ports),
		when("startedAt", in.StartedAt),
		notNegative("restarts", in.Restarts),
		text("reason", in.Reason, MaxReason),
		when("nextTry", in.NextTry),
	)
}

func ports(published map[int]int) *Error {
	if len(published) > maxPublished {
		return Invalid("ports", "has %d entries, more than %d", len(published), maxPublished)
	}
	for target, host := range published {
		if err := firstOf(port("ports", target), port("ports", host)); err != nil {
			return err
		}
	}
	return nil
}

func (b *BalancerActual) validate() *Error {
	return firstOf(
		matches("name", b.Name, hostName, "a balancer's name"),
		matches("driver", b.Driver, driverName, "a driver"),
		text("version", b.Version, maxName),
		text("problem", b.Problem, MaxReason),
		text("promise", b.Promise, MaxReason),
		each("pools", maxPools, b.Pools, (*PoolActual).validate),
		unique("pools", b.Pools, func(p *PoolActual) ServiceKey { return p.Service }),
	)
}

func (p *PoolActual) validate() *Error {
	return firstOf(
		service("service", p.Service),
		text("problem", p.Problem, MaxReason),
		each("endpoints", maxEndpoints, p.Endpoints, (*EndpointActual).validate),
		unique("endpoints", p.Endpoints, func(e *EndpointActual) string { return e.Instance }),
	)
}

func (e *EndpointActual) validate() *Error {
	return firstOf(
		matches("instance", e.Instance, instanceName, "an instance's id"),
		reported("state", e.State, EndpointPreparing, EndpointReady, EndpointDraining),
		reported("check", e.Check, CheckUnknown, CheckPassing, CheckFailing),
		notNegative("connections", e.Connections),
	)
}
