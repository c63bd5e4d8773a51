package brain

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// reporting keeps track of what was told, to whom and when.
type reporting struct {
	sequence     uint64
	acknowledged uint64
	urgent       bool

	open         bool      // the first report may be made
	calm, counts []byte    // the last report, without and with connection counts
	at           time.Time // when it was sent last; zero: not in this session
	repeated     bool      // it was sent again
	waits        time.Time // when one that waits is due

	beat      uint64
	beatAt    time.Time
	beaten    fleet.Presence // the last sign of life
	probes    []ProbeTarget
	pools     []fleet.Observed
	poolsTold bool

	secrets     []string // the instances whose secrets' files were said to stay
	secretsTold bool
}

func (s *State) connect(session string) {
	s.session = session
	s.report.at, s.report.beatAt, s.report.repeated = time.Time{}, time.Time{}, false
	s.report.calm, s.report.counts = nil, nil
	s.report.acknowledged = 0
	s.metering.news = true
	s.outbox.sent, s.outbox.sentAt, s.outbox.repeated = 0, time.Time{}, false
}

// takeBalancer hurries: others wait for what a balancer has in force.
func (s *State) takeBalancer(actual fleet.BalancerActual) {
	actual.Problem = fleet.Clip(actual.Problem, fleet.MaxReason)
	actual.Pools = slices.Clone(actual.Pools)
	for i := range actual.Pools {
		actual.Pools[i].Problem = fleet.Clip(actual.Pools[i].Problem, fleet.MaxReason)
	}
	s.balancers[actual.Name] = actual
	s.report.urgent = true
}

func (s *State) reportAll(out *Outputs, now time.Time) {
	s.latch(now)
	if probes := s.targets(); !slices.Equal(probes, s.report.probes) {
		s.report.probes = probes
		out.Probes, out.ProbesChanged = probes, true
	}
	s.tellPools(out, now)
	s.tellSecrets(out)
	if s.session == "" {
		return
	}
	s.beat(out, now)
	s.reportActual(out, now)
	out.Events = s.batch(now)
}

func (s *State) targets() []ProbeTarget {
	var targets []ProbeTarget
	for _, id := range sortedKeys(s.instances) {
		if t, wanted := s.target(s.instances[id]); wanted {
			targets = append(targets, t)
		}
	}
	return targets
}

func (s *State) tellPools(out *Outputs, now time.Time) {
	pools, known := s.wantedPools(now)
	if !known {
		return
	}
	var told []fleet.Observed
	for _, key := range s.poolKeys() {
		told = append(told, s.pools[key].observed)
	}
	if s.report.poolsTold && slices.Equal(told, s.report.pools) {
		return
	}
	s.report.pools, s.report.poolsTold = told, true
	out.Pools, out.PoolsChanged = pools, true
}

// Presence is what a sign of life says now.
func (s *State) Presence(state string) fleet.Presence {
	return fleet.Presence{
		State:      state,
		BootID:     s.config.Facts.BootID,
		AgentStart: s.config.AgentStart,
		Session:    s.session,
		Observed:   s.accepted.observed(),
		Pools:      s.poolGenerations(),
	}
}

// beat makes a sign of life when one is due or what it says of acceptance
// changed.
func (s *State) beat(out *Outputs, now time.Time) {
	presence, before := s.Presence(fleet.PresenceOnline), &s.report.beaten
	same := presence.Observed == before.Observed && maps.Equal(presence.Pools, before.Pools)
	if !s.report.beatAt.IsZero() && now.Before(s.report.beatAt.Add(s.config.Timing.Heartbeat)) && same {
		return
	}
	s.report.beat++
	s.report.beatAt, s.report.beaten = now, presence
	out.Presence, out.Beat = &presence, s.report.beat
}

// reportActual makes a report when there is something new to say. What is
// urgent goes at once, the rest at most once in a while.
func (s *State) reportActual(out *Outputs, now time.Time) {
	r, timing := &s.report, s.config.Timing
	r.waits = time.Time{}
	if !s.mayReport(now) {
		return
	}
	actual := s.actual(now)
	counts := mustEncode(actual)
	calm := counts
	switch {
	case bytes.Equal(counts, r.counts):
		calm = r.calm
	case len(actual.Balancers) > 0:
		quiet := actual
		quiet.Balancers = withoutCounts(actual.Balancers)
		calm = mustEncode(quiet)
	}
	switch {
	case r.at.IsZero() || r.urgent && !bytes.Equal(calm, r.calm):
	case !bytes.Equal(calm, r.calm):
		r.waits = r.at.Add(timing.ReportDelay)
	case !bytes.Equal(counts, r.counts):
		r.waits = r.at.Add(timing.CountsDelay)
	case r.acknowledged < r.sequence && !now.Before(r.at.Add(timing.again(r.repeated))):
		r.at, r.repeated = now, true
		out.Actual, out.Sequence = &actual, r.sequence
		return
	default:
		r.urgent = false
		return
	}
	if now.Before(r.waits) {
		return
	}
	r.waits, r.urgent = time.Time{}, false
	r.at, r.repeated, r.calm, r.counts = now, false, calm, counts
	out.Actual, out.Sequence = &actual, s.nextSequence(now)
}

// mayReport holds the first report back until it can be true: a restarted
// agent must not call what runs well not ready, nor name an address that was
// this host's before.
func (s *State) mayReport(now time.Time) bool {
	if !s.report.open && s.located {
		s.report.open = s.listed && !s.unmatched && s.knowsWhatRuns() && s.probedOnce() && s.balancersKnown() ||
			!now.Before(s.born.Add(s.config.Timing.FirstReport))
	}
	return s.report.open && s.foundUntil(now).IsZero()
}

// foundUntil is how long a report waits for the first probes of what ran
// before this agent knew of it: until then nobody can say whether it's ready.
func (s *State) foundUntil(now time.Time) (latest time.Time) {
	for _, inst := range s.instances {
		until := inst.runSince.Add(s.config.Timing.FirstReport)
		if _, wanted := s.target(inst); wanted && inst.found && !inst.probed && !inst.ready && now.Before(until) && until.After(latest) {
			latest = until
		}
	}
	return latest
}

// knowsWhatRuns says whether a desired state tells what containers of this host's
// are, or none are of the hub that answers: an agent that lost its disk can't say
// whose they are until that has come.
func (s *State) knowsWhatRuns() bool {
	return s.accepted != nil || !slices.ContainsFunc(s.containers, func(c Container) bool {
		return c.Labels[LabelHost] == s.config.Host && instanceID.MatchString(c.Labels[LabelInstance]) &&
			(s.hub == "" || c.Labels[LabelLineage] == s.hub)
	})
}

func (s *State) balancersKnown() bool {
	for _, b := range s.config.Facts.Balancers {
		if _, ok := s.balancers[b.Name]; !ok {
			return false
		}
	}
	return true
}

func withoutCounts(balancers []fleet.BalancerActual) []fleet.BalancerActual {
	balancers = slices.Clone(balancers)
	for i := range balancers {
		pools := slices.Clone(balancers[i].Pools)
		for j := range pools {
			pools[j].Endpoints = slices.Clone(pools[j].Endpoints)
			for k := range pools[j].Endpoints {
				pools[j].Endpoints[k].Connections = 0
			}
		}
		balancers[i].Pools = pools
	}
	return balancers
}

// due is when something of this is to be told next.
func (r *reporting) due(s *State, now time.Time) time.Time {
	var first time.Time
	due := func(t time.Time) {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	timing := s.config.Timing
	if !r.poolsTold && s.accepted != nil {
		due(s.born.Add(timing.FirstPools))
	}
	if s.session == "" {
		return first
	}
	due(r.beatAt.Add(timing.Heartbeat))
	if !r.open {
		due(s.born.Add(timing.FirstReport))
	}
	due(s.foundUntil(now))
	due(r.waits)
	if r.acknowledged < r.sequence && !r.at.IsZero() {
		due(r.at.Add(timing.again(r.repeated)))
	}
	return first
}

// mustEncode writes what is told, to compare it. These types always encode.
func mustEncode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
