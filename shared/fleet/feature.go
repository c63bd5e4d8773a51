package fleet

import "slices"

// Features are what a version can ask of an agent beyond an image that runs
// with its command, environment, user, labels and ports of the agent's choice.
// A name stays what it is for ever. Who adds to Spec what an older agent would
// leave out adds a feature.
const (
	// FeatureAnswers is what an agent can, and no version asks for: AskPing,
	// AskInspect, AskProbe and AskPull.
	FeatureAnswers     = "answers"
	FeatureHealthcheck = "healthcheck"
	FeatureHostPort    = "host-port"
	// FeatureLeave is what an agent can, and no version asks for: Desired.Leave.
	FeatureLeave       = "leave"
	FeatureMountBind   = "mount-bind"
	FeatureMountTmpfs  = "mount-tmpfs"
	FeatureMountVolume = "mount-volume"
	// FeaturePrepare is what an agent can, and no version asks for: Desired.Prepare.
	FeaturePrepare    = "prepare"
	FeatureProbeHTTP  = "probe-http"
	FeatureProbeTCP   = "probe-tcp"
	FeatureResources  = "resources"
	FeatureRestart    = "restart" // a policy other than always
	FeatureSecrets    = "secrets"
	FeatureStopAtOnce = "stop-at-once" // a stop grace of 0s, which isn't the default
	FeatureStopSignal = "stop-signal"
)

// What a balancer and the agent that drives it can, beyond sending requests to
// those that are ready and draining those that leave. Those of before announce
// none, and are sent nothing of it.
const (
	BalancerAlgorithms = "algorithms" // Route.Algorithm
	BalancerGRPC       = "grpc"       // routes of the protocol grpc
	BalancerMetrics    = "metrics"    // counting what a pool asks for by Measure
	BalancerParked     = "parked"     // endpoints in the state parked
	BalancerProxy      = "proxy"      // Route.SendProxy and AcceptProxy
	BalancerRouting    = "routing"    // Route.Hosts, Paths and Named, and routes that share a port by them
	BalancerSnippets   = "snippets"   // Route.Snippets
	BalancerSticky     = "sticky"     // Route.Sticky
	BalancerTimeouts   = "timeouts"   // Route.Timeouts
	BalancerTLS        = "tls"        // Route.Certificates
)

// Features are those that the spec's content asks for, sorted: what the hub
// says that a version Requires.
func (s *Spec) Features() (features []string) {
	add := func(asked bool, feature string) {
		if asked && !slices.Contains(features, feature) {
			features = append(features, feature)
		}
	}
	add(s.Healthcheck != nil, FeatureHealthcheck)
	for _, p := range s.Publish {
		add(p.HostPort != 0, FeatureHostPort)
	}
	for _, m := range s.Mounts {
		add(true, "mount-"+m.Type)
	}
	if s.Probe != nil {
		add(true, "probe-"+s.Probe.Type)
	}
	add(s.Resources != Resources{CPUReservation: s.Resources.CPUReservation}, FeatureResources) // the reservation is placement's
	add(s.Restart != Restart{} && s.Restart != Restart{Policy: RestartAlways}, FeatureRestart)
	add(len(s.Secrets) > 0, FeatureSecrets)
	add(s.StopWithin() == 0, FeatureStopAtOnce)
	add(s.StopSignal != "", FeatureStopSignal)
	slices.Sort(features)
	return features
}
