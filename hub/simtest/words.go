package simtest

import (
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	wordsEvery  = 5 * time.Second
	wordsWithin = 10 * time.Second
)

// words looks now and then whether people are told what every service waits
// for that isn't as it was asked for.
func (k *checker) words() {
	k.sim.after(wordsEvery, k.words)
	if !k.sim.hub.up || k.sim.now.Sub(k.since) < wordsEvery {
		clear(k.wordless) // the hub has yet to find the reasons, or to keep them
		return
	}
	seen := map[fleet.ServiceKey]time.Time{}
	for _, v := range k.sim.hub.state.View(k.sim.hub.now()).Services("") {
		told := len(v.Reasons) > 0
		if v.State == fleet.ServiceHeld {
			told = slices.ContainsFunc(v.Reasons, func(why string) bool { return strings.HasPrefix(why, "held: ") })
		}
		if told || v.State == fleet.ServiceConverged || v.State == fleet.ServiceCompleted || v.State == fleet.ServiceFrozen || v.State == fleet.ServiceStopped {
			continue
		}
		since, known := k.wordless[v.Key]
		if !known {
			since = k.sim.now
		}
		seen[v.Key] = since
		if k.sim.now.Sub(since) > wordsWithin {
			k.sim.violate("%s is %s, and nobody says why", v.Key, v.State)
		}
	}
	k.wordless = seen
}
