package fleet

// Metrics is what the balancers of a host count for pools that ask for it (see
// Pool.Measure). It isn't retained, and goes out once a second while they do.
type Metrics struct {
	Host string `json:"host"`
	// AgentStart: counts begin anew with each start of the agent.
	AgentStart string        `json:"agentStart"`
	Pools      []PoolMetrics `json:"pools"` // sorted by Service, then Balancer
}

// PoolMetrics are one balancer's counts of one service.
type PoolMetrics struct {
	Service   ServiceKey       `json:"service"`
	Balancer  string           `json:"balancer"`
	Endpoints []EndpointCounts `json:"endpoints"` // sorted by Instance
}

// EndpointCounts are what a balancer counted for one endpoint. They never go down
// while the agent runs and the endpoint is in the pool, whatever is reloaded. What
// they begin with says nothing.
type EndpointCounts struct {
	Instance string `json:"instance"`
	Version  int    `json:"version"`
	Requests uint64 `json:"requests"`          // HTTP: those that were answered, or failed; else connections
	Failed   uint64 `json:"failed,omitempty"`  // of them: answered with 5xx, not connected, not answered or not to the end
	Retried  uint64 `json:"retried,omitempty"` // tried again, here or elsewhere
	// AverageMS is how long an HTTP request took until its answer began, in
	// milliseconds: the mean of about the last 512. Zero: nobody knows, or less.
	AverageMS int `json:"averageMS,omitempty"`
}
