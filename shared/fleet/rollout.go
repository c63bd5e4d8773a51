package fleet

import "time"

// Strategies of a rollout.
const (
	StrategyRolling   = "rolling"    // a few at a time, new before old
	StrategyRecreate  = "recreate"   // all old ones stop, then the new ones come
	StrategyCanary    = "canary"     // a growing share of the traffic, beside all old ones
	StrategyBlueGreen = "blue-green" // all new ones beside all old ones, then one switch
)

// What a rollout does about a failure.
const (
	OnFailureRollback = "rollback" // goes back to the version that it came from
	OnFailurePause    = "pause"    // stays as it is until a person decides
)

// MinInterval is the shortest Verify.Interval.
const MinInterval = Duration(time.Second)

// How long a rollout waits where nothing is stated.
const (
	DefaultHealthyWithin  = 5 * time.Minute
	DefaultProgressWithin = 10 * time.Minute
)

// RolloutSpec says how a service moves from one version to the next. What is
// zero has the default of its strategy: see Resolved.
type RolloutSpec struct {
	Strategy string `json:"strategy,omitempty"` // default: rolling
	// Steps of a canary; the last has weight 100. Default: 5, 25, 50, 100.
	Steps []RolloutStep `json:"steps,omitempty"`
	// Batch is how many instances a rolling replaces at the same time. Default: a
	// quarter of the count, rounded up. More than there are: all at once.
	Batch int `json:"batch,omitempty"`
	// StopFirst: an old instance stops before its successor comes. So it is
	// always where a volume or a fixed host port can't be had twice.
	StopFirst bool `json:"stopFirst,omitempty"`
	// Delay is the pause between the batches of a rolling. Default: none.
	Delay Duration `json:"delay,omitempty"`
	// Monitor is how long the new version is watched once it has all traffic,
	// before the rollout has succeeded. Default: 10 s.
	Monitor *Duration `json:"monitor,omitempty"`
	Verify  Verify    `json:"verify,omitzero"`
	// OnFailure is rollback (the default) or pause.
	OnFailure string `json:"onFailure,omitempty"`
	// Manual rollouts go on only when a person promotes them: before a canary's
	// each next step, before blue-green's switch, after a rolling's first batch.
	Manual bool `json:"manual,omitempty"`
	// HealthyWithin is how long a new instance may take to serve, ProgressWithin
	// how long a rollout may stand still without being paused. Default: 5 and 10 min.
	HealthyWithin  Duration `json:"healthyWithin,omitempty"`
	ProgressWithin Duration `json:"progressWithin,omitempty"`
	// Rollback is how a rolling goes back, where that isn't as it goes on.
	Rollback *Pace `json:"rollback,omitempty"`
	// Keep is how long the old instances stay, without traffic, after a canary or
	// blue-green has succeeded: to go back takes one write to the balancers until
	// then. Default: 1 min.
	Keep *Duration `json:"keep,omitempty"`
	// Before, Each and After name one-shot services of the project that run to
	// their end before anything moves, at each step, and before the rollout has
	// succeeded, one after another; and hooks, URLs that are posted the rollout there
	// and answer as a Judge does, and are asked again until they do. One that fails, or
	// says back, is a failure of the rollout.
	Before []string `json:"before,omitempty"`
	Each   []string `json:"each,omitempty"`
	After  []string `json:"after,omitempty"`
}

// Pace is how old instances are replaced: as the fields of RolloutSpec of these names
// say it, and with the same defaults. When a rollout goes back by itself it doesn't
// wait: Delay and Monitor are for a person's rollback.
type Pace struct {
	Batch     int       `json:"batch,omitempty"`
	StopFirst bool      `json:"stopFirst,omitempty"`
	Delay     Duration  `json:"delay,omitempty"`
	Monitor   *Duration `json:"monitor,omitempty"`
}

// RolloutStep is one step of a canary.
type RolloutStep struct {
	Weight    int      `json:"weight"`              // percent of the traffic that the new version gets
	Instances int      `json:"instances,omitempty"` // of the new version; default: that share of the count, at least 1
	Hold      Duration `json:"hold,omitempty"`      // least time at this weight; default: Verify.Interval
	Manual    bool     `json:"manual,omitempty"`    // goes on only when a person promotes it
}

// Verify is how a step is judged: the new version against the old one over the
// same time.
type Verify struct {
	// Off: what the balancers count isn't judged, only readiness, restarts and what
	// Judges say. A rolling and a recreate are so by default.
	Off *bool `json:"off,omitempty"`
	// Interval is how often the balancers' counts are judged. Default: 10 s.
	Interval Duration `json:"interval,omitempty"`
	// Requests are the fewest of the new version that say anything. Default: 20.
	Requests int `json:"requests,omitempty"`
	// Success is the least share of requests that succeed, in percent, unless the
	// old version does no better. Default: 99.
	Success float64 `json:"success,omitempty"`
	// Slower is how many times as long as the old version's a request of the new
	// one may take on average, and 50 ms are granted in any case. It counts from five
	// times Requests of each version on. Default: 2.
	Slower float64 `json:"slower,omitempty"`
	// Restarts are how often instances of the new version may restart, all together.
	// Default: 0.
	Restarts int `json:"restarts,omitempty"`
	// Judges are asked from outside, at each interval and at the end of each step;
	// all have to agree.
	Judges []Judge `json:"judges,omitempty"`
}

// Judge is somebody outside who says whether a rollout may go on.
type Judge struct {
	// HTTP is a URL that is posted the rollout as JSON, and answers with
	// {"verdict": "continue"}, "hold" or "back", and a "reason".
	HTTP string `json:"http,omitempty"`
	// Prometheus is a server's base URL. The first value of Query is to be at
	// least Min and at most Max; no value says nothing.
	Prometheus string   `json:"prometheus,omitempty"`
	Query      string   `json:"query,omitempty"`
	Min        *float64 `json:"min,omitempty"`
	Max        *float64 `json:"max,omitempty"`
}

// States of a rollout.
const (
	RolloutPreparing      = "preparing"       // every host fetches the image; one-shot services before it run
	RolloutProgressing    = "progressing"     // at Step
	RolloutPaused         = "paused"          // PauseReason says why
	RolloutPromoting      = "promoting"       // the new version has all traffic and is watched
	RolloutSucceeded      = "succeeded"       // old instances may be kept until KeepUntil
	RolloutRollingBack    = "rolling-back"    // the old version gets all traffic again
	RolloutRolledBack     = "rolled-back"     // as it was before
	RolloutRollbackPaused = "rollback-paused" // going back doesn't get on
)

// Reasons of a pause.
const (
	PauseManual       = "manual"       // a person is to promote or resume it
	PauseInconclusive = "inconclusive" // too little is known for too long
	PauseBalancer     = "balancer"     // a balancer is silent, or doesn't take its pool
	PauseAgent        = "agent"        // a balancer's agent is too old for this
	PauseFailure      = "failure"      // Why says which
)

// Rollout is the move of a service from one version to another, as the hub
// keeps it.
type Rollout struct {
	// ID is the generation of the service at which it began: orders name it.
	ID   uint64 `json:"id"`
	From int    `json:"from"` // the version that has the traffic until it is promoted
	To   int    `json:"to"`
	// Back: a person ordered to go back to an older version; it is never rolled
	// back by itself.
	Back  bool        `json:"back,omitempty"`
	Spec  RolloutSpec `json:"spec"` // resolved: what was the service's when it began
	State string      `json:"state"`
	Step  int         `json:"step,omitempty"` // of Spec.Steps, or the batch of a rolling
	// Weight is the share of the traffic, in percent, that the new version was
	// given; without meaning where old ones are replaced one for one.
	Weight int `json:"weight,omitempty"`
	// PauseReason and PausedIn are why and in which state it paused.
	PauseReason string `json:"pauseReason,omitempty"`
	PausedIn    string `json:"pausedIn,omitempty"`
	// Waits: services that it depends on come first. That time is nobody's fault.
	Waits bool   `json:"waits,omitempty"`
	Why   string `json:"why,omitempty"` // in words: what it waits for, or what failed
	// Hosts are to have the new version's image before anything moves.
	Hosts []string `json:"hosts,omitempty"`
	Cause string   `json:"cause"`
	Actor string   `json:"actor,omitempty"`
	// Forgiven are the restarts of the new version's instances that count no more.
	Forgiven int `json:"forgiven,omitempty"`
	// Jobs are the one-shot services that it has run.
	Jobs []RolloutJob `json:"jobs,omitempty"`
	// Promoted is how far a person has let it go on: steps below it need no more
	// word.
	Promoted int       `json:"promoted,omitempty"`
	Began    time.Time `json:"began"`
	Since    time.Time `json:"since"` // of State and Step
	// Served is when all that is wanted at this step served; zero: not yet.
	Served time.Time `json:"served,omitzero"`
	// Stalled is since when it waits for something and nothing moves; zero: it does.
	// Moved is how far instances had come at this step when one last did.
	Stalled time.Time `json:"stalled,omitzero"`
	Moved   int       `json:"moved,omitempty"`
	// Unheard: a person lets it go on though balancers aren't heard.
	Unheard bool `json:"unheard,omitempty"`
	// Stable is what the balancers counted of the old version at the last step at
	// which it had traffic: what the new one is held against when it has all.
	Stable    *RequestCounts `json:"stable,omitempty"`
	Ended     time.Time      `json:"ended,omitzero"`
	KeepUntil time.Time      `json:"keepUntil,omitzero"`
}

// RequestCounts are of one version's requests over some time.
type RequestCounts struct {
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed,omitempty"`
}

// RolloutJob is one run of a one-shot service for a rollout.
type RolloutJob struct {
	At       string `json:"at"`      // "before", "step 2" or "after"
	Service  string `json:"service"` // or a hook's URL
	Instance string `json:"instance,omitempty"`
	Done     bool   `json:"done,omitempty"` // it ended with code 0, or said continue
}

// Beside reports whether the new version's instances come beside all old ones,
// which stay whole until the end.
func (r *Rollout) Beside() bool {
	return r.Spec.Strategy == StrategyCanary || r.Spec.Strategy == StrategyBlueGreen
}

// Pace is how a rollout replaces old instances now.
func (r *Rollout) Pace() (batch int, stopFirst bool) {
	back := r.Spec.Rollback
	if back == nil || r.State != RolloutRollingBack && r.State != RolloutRollbackPaused {
		return r.Spec.Batch, r.Spec.StopFirst
	}
	return back.Batch, back.StopFirst
}

// Manual reports whether the rollout goes on from where it is only by a person's word.
func (r *Rollout) Manual() bool {
	return r.Spec.Manual || r.Step < len(r.Spec.Steps) && r.Spec.Steps[r.Step].Manual
}

// Over reports whether nothing of the rollout is left to do.
func (r *Rollout) Over() bool {
	switch r.State {
	case RolloutSucceeded, RolloutRolledBack:
		return true
	}
	return false
}
