package rollout

// Side is one version's part of a service.
type Side struct {
	Present int // instances that don't leave
	Ready   int // of them
	Serving int // and in every balancer that is heard, with traffic where it is to have some
	Leaving int // instances that aren't gone yet
	Lost    int // of those, on hosts that are gone
}

// Observed is what a rollout goes by.
type Observed struct {
	Count    int // instances asked for
	New, Old Side
	// Unprepared says in words which hosts still fetch the image, Unfetched which
	// can't.
	Unprepared, Unfetched string
	// Restarts of the new version's instances; Crashed says in words which.
	Restarts int
	Crashed  string
	// Unready says which new instance has taken too long to serve.
	Unready string
	// Stale says which balancers are silent, or behind their pool; Older, which are
	// driven by agents that don't know yet what the rollout needs.
	Stale, Older string
	// After says what it waits for that it depends on, before anything moves; Astray,
	// what of that has gone back to an older version.
	After, Astray string
	// Jobs is how far the one-shot services are that are to run where it is.
	Jobs Verdict
	// Verdict is what the balancers' counts and judges say of this step so far.
	Verdict Verdict
}
