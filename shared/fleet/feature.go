package fleet

import "slices"

// Features are what a version can ask of an agent beyond an image that runs
// with its command, environment, user, labels and ports of the agent's choice.
// A name stays what it is for ever. Who adds to Spec what an older agent would
// leave out adds a feature.
const (
	// FeatureAnswers is what an agent can, and no version asks for: AskPing,
	// AskInspect, AskProbe and AskPull.
	FeatureAnswers = "answers"
	FeatureConfigs = "configs"
	// FeatureDevices: Spec.Devices.
	FeatureDevices = "devices"
	// FeatureFollow is what an agent can, and no version asks for: an AskLogs with
	// Follow, After, Since and Stamps.
	FeatureFollow      = "follow"
	FeatureHealthcheck = "healthcheck"
	FeatureHostPort    = "host-port"
	// FeatureLeave is what an agent can, and no version asks for: Desired.Leave.
	FeatureLeave       = "leave"
	FeatureMountBind   = "mount-bind"
	FeatureMountTmpfs  = "mount-tmpfs"
	FeatureMountVolume = "mount-volume"
	// FeatureMountOptions is what mounts say beside Type, Source, Target, ReadOnly and Size.
	FeatureMountOptions = "mount-options"
	FeatureNetworks     = "networks" // also NetworkMode
	// FeaturePrepare is what an agent can, and no version asks for: Desired.Prepare.
	FeaturePrepare    = "prepare"
	FeatureProbeHTTP  = "probe-http"
	FeatureProbeTCP   = "probe-tcp"
	FeaturePullPolicy = "pull-policy"
	FeatureResources  = "resources"
	FeatureRestart    = "restart" // a policy other than always
	FeatureRuntime    = "runtime" // whatever Runtime says; what it comes to say later has features of its own
	FeatureSecrets    = "secrets"
	// FeatureStartInterval is of healthchecks.
	FeatureStartInterval = "start-interval"
	FeatureStopAtOnce    = "stop-at-once" // a stop grace of 0s, which isn't the default
	FeatureStopSignal    = "stop-signal"
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
	add(len(s.Configs) > 0, FeatureConfigs)
	add(len(s.Devices) > 0, FeatureDevices)
	add(s.Healthcheck != nil, FeatureHealthcheck)
	add(s.Healthcheck != nil && s.Healthcheck.StartInterval != 0, FeatureStartInterval)
	for _, p := range s.Publish {
		add(p.HostPort != 0, FeatureHostPort)
	}
	for _, m := range s.Mounts {
		add(true, "mount-"+m.Type)
		add(m.Mode != 0 || m.Propagation != "" || m.NoCopy || m.Subpath != "" || m.Driver != "" || len(m.DriverOptions) > 0, FeatureMountOptions)
	}
	add(len(s.Networks) > 0 || s.NetworkMode != "", FeatureNetworks)
	if s.Probe != nil {
		add(true, "probe-"+s.Probe.Type)
	}
	add(s.PullPolicy != "", FeaturePullPolicy)
	add(s.Runtime != nil, FeatureRuntime)
	add(s.Resources != Resources{CPUReservation: s.Resources.CPUReservation}, FeatureResources) // the reservation is placement's
	add(s.Restart != Restart{} && s.Restart != Restart{Policy: RestartAlways}, FeatureRestart)
	add(len(s.Secrets) > 0, FeatureSecrets)
	add(s.StopWithin() == 0, FeatureStopAtOnce)
	add(s.StopSignal != "", FeatureStopSignal)
	slices.Sort(features)
	return features
}
