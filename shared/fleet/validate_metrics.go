package fleet

// Validate refuses counts that no correct agent sends. What they count is the
// balancers' word: any number will do.
func (m *Metrics) Validate() error {
	return first(
		matches("host", m.Host, hostName, "a host id"),
		name("agentStart", m.AgentStart, maxName),
		each("pools", maxBalancers*maxPools, m.Pools, (*PoolMetrics).validate),
		unique("pools", m.Pools, func(p *PoolMetrics) measured { return measured{p.Service, p.Balancer} }),
	)
}

// measured is whose counts they are, and who counted.
type measured struct {
	service  ServiceKey
	balancer string
}

func (m measured) String() string { return m.service.String() + " on " + m.balancer }

func (p *PoolMetrics) validate() *Error {
	return firstOf(
		service("service", p.Service),
		matches("balancer", p.Balancer, hostName, "a balancer's name"),
		each("endpoints", maxEndpoints, p.Endpoints, (*EndpointCounts).validate),
		unique("endpoints", p.Endpoints, func(e *EndpointCounts) string { return e.Instance }),
	)
}

func (e *EndpointCounts) validate() *Error {
	return firstOf(
		matches("instance", e.Instance, instanceName, "an instance's id"),
		notNegative("version", e.Version),
		notNegative("averageMS", e.AverageMS),
	)
}
