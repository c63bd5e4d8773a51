package fleet

import (
	"net/url"
	"strings"
	"time"
)

// Bounds of how a service is rolled out.
const (
	MaxSteps  = 20     // of a canary
	MaxBatch  = 10_000 // instances: no service has more
	MaxJobs   = 10     // before, at each step, or after
	MaxJudges = 10
	MinKeep   = 2 // versions: one could never be gone back to
	MaxKeep   = 100

	maxURL   = 2 << 10 // bytes
	maxQuery = 4 << 10 // bytes
	maxWait  = 24 * time.Hour
	maxCount = 1_000_000 // of requests and restarts
)

// ValidateRollout refuses a rollout and a number of kept versions that no
// document makes.
func (s *Service) ValidateRollout() error {
	keep := between("keep", s.Keep, MinKeep, MaxKeep)
	if s.Keep == 0 {
		keep = nil
	}
	if s.Rollout == nil {
		return first(keep)
	}
	return first(keep, within("rollout", s.Rollout.validate()))
}

func (r *RolloutSpec) validate() *Error {
	return firstOf(
		oneOf("strategy", r.Strategy, "", StrategyRolling, StrategyRecreate, StrategyCanary, StrategyBlueGreen),
		each("steps", MaxSteps, r.Steps, (*RolloutStep).validate),
		ascending("steps", r.Steps),
		between("batch", r.Batch, 0, MaxBatch),
		wait("delay", &r.Delay),
		wait("monitor", r.Monitor),
		within("verify", r.Verify.validate()),
		within("rollback", r.Rollback.validate()),
		oneOf("onFailure", r.OnFailure, "", OnFailureRollback, OnFailurePause),
		wait("healthyWithin", &r.HealthyWithin),
		wait("progressWithin", &r.ProgressWithin),
		wait("keep", r.Keep),
		jobs("before", r.Before),
		jobs("each", r.Each),
		jobs("after", r.After),
	)
}

// Each step gives the new version more, and the last one all.
func ascending(path string, steps []RolloutStep) *Error {
	weight := 0
	for _, step := range steps {
		if step.Weight <= weight {
			return Invalid(path, "have weight %d after %d", step.Weight, weight)
		}
		weight = step.Weight
	}
	if len(steps) > 0 && weight != 100 {
		return Invalid(path, "end with weight %d", weight)
	}
	return nil
}

func (s *RolloutStep) validate() *Error {
	return firstOf(
		between("weight", s.Weight, 1, 100),
		between("instances", s.Instances, 0, MaxBatch),
		wait("hold", &s.Hold),
	)
}

func (p *Pace) validate() *Error {
	if p == nil {
		return nil
	}
	return firstOf(between("batch", p.Batch, 0, MaxBatch), wait("delay", &p.Delay), wait("monitor", p.Monitor))
}

func (v *Verify) validate() *Error {
	return firstOf(
		interval(v.Interval),
		between("requests", v.Requests, 0, maxCount),
		between("success", v.Success, 0, 100),
		between("slower", v.Slower, 0, maxCount),
		between("restarts", v.Restarts, 0, maxCount),
		each("judges", MaxJudges, v.Judges, (*Judge).validate),
	)
}

func interval(d Duration) *Error {
	if d != 0 && d < MinInterval {
		return Invalid("interval", "is %s, less than %s", d, MinInterval)
	}
	return wait("interval", &d)
}

// Validate refuses a judge that can't be asked.
func (j *Judge) Validate() error { return first(j.validate()) }

func (j *Judge) validate() *Error {
	switch {
	case (j.HTTP == "") == (j.Prometheus == ""):
		return Invalid("http", "a judge is asked by http or is a query of prometheus").WithHint("state one of them")
	case j.HTTP != "" && (j.Query != "" || j.Min != nil || j.Max != nil):
		return Invalid("http", "is asked for a verdict, without query, min and max").WithHint("use prometheus: with the server's URL")
	case j.HTTP != "":
		return webURL("http", j.HTTP)
	case j.Query == "":
		return Invalid("query", "missing").WithHint("write a query of Prometheus whose first value is judged")
	case j.Min == nil && j.Max == nil:
		return Invalid("max", "missing: without min and max every value passes").WithHint("state min, max or both")
	case j.Min != nil && j.Max != nil && *j.Min > *j.Max:
		return Invalid("min", "is %v, more than max, %v", *j.Min, *j.Max)
	}
	return firstOf(webURL("prometheus", j.Prometheus), baseURL("prometheus", j.Prometheus), text("query", j.Query, maxQuery))
}

// webURL takes a URL that the hub can ask. It is shown to all who may look at
// the service, so it can't hold a password.
func webURL(path, value string) *Error {
	u, err := url.Parse(value)
	switch {
	case len(value) > maxURL:
		return Invalid(path, "has %d bytes, more than %d", len(value), maxURL)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return Invalid(path, "%.200q is not a URL", value).WithHint("write it like https://judge.example.com/path")
	case u.User != nil:
		return Invalid(path, "names a user, and a password there would be seen by all who look at the service").
			WithHint("let the hub ask without one, from its address or through a proxy that adds it")
	}
	return nil
}

// baseURL refuses what would stand before a path that is put behind it.
func baseURL(path, value string) *Error {
	if u, err := url.Parse(value); err == nil && (u.RawQuery != "" || u.ForceQuery || u.Fragment != "") {
		return Invalid(path, "has a query, and is to be the address of a server").WithHint("write it like http://prometheus.example.com:9090")
	}
	return nil
}

// IsHook reports whether an entry of RolloutSpec.Before, Each or After is a URL.
func IsHook(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// ValidateHook refuses a URL that the hub can't ask.
func ValidateHook(address string) error { return first(webURL("", address)) }

func jobs(path string, names []string) *Error {
	return firstOf(
		each(path, MaxJobs, names, func(n *string) *Error {
			switch {
			case IsHook(*n):
				return webURL("name", *n)
			case ValidateServiceName(*n) != nil:
				return Invalid("name", "%.64q is not a service", *n)
			}
			return nil
		}),
		unique(path, names, func(n *string) string { return *n }),
	)
}

func between[N int | float64](path string, value, low, high N) *Error {
	if !(value >= low && value <= high) {
		return Invalid(path, "is %v, not from %v to %v", value, low, high)
	}
	return nil
}

// wait bounds a duration, which may be nil.
func wait(path string, d *Duration) *Error {
	if d != nil && (*d < 0 || d.D() > maxWait) {
		return Invalid(path, "is %s, not from 0s to %s", d, maxWait)
	}
	return nil
}
