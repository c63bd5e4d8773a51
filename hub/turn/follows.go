package turn

import (
	"fmt"

	"github.com/musterhq/muster/shared/fleet"
)

// maxEpoch bounds the epochs that are believed of an agent, so that there is
// always a later one.
const maxEpoch = 1 << 62

// follows looks at what an agent says that it has accepted: from another hub,
// or from this one as it was later than its store knows.
func (t *tx) follows(host string, l *Live, o fleet.Observed) {
	was := l.Alien
	l.Alien = ""
	switch {
	case o.Lineage == "":
	case o.Lineage != t.s.Lineage:
		if l.Alien = o.Lineage; was != l.Alien {
			t.event(fleet.EventHostForeign, subjectHost(host), "", fleet.EventData{Host: host, Message: host + " " + t.foreign(l.Alien)})
		}
	default:
		t.outrank(host, o)
		t.behind(host, o)
	}
}

// foreign says what it means that an agent follows another hub, and the ways out.
func (t *tx) foreign(lineage string) string {
	return fmt.Sprintf("follows another hub (lineage %s) and takes no orders from this one, whose lineage is %s; if that hub's store is lost for good: muster-hub recover %s; to take the host into this fleet: muster-agent --adopt-lineage %s",
		lineage, t.s.Lineage, lineage, t.s.Lineage)
}

// outrank makes this start of the hub the latest: agents follow no other. One
// that knows a later one met this hub before its clock was set back, or before
// an older copy of its store was put in place.
func (t *tx) outrank(host string, o fleet.Observed) {
	if o.Epoch <= t.epoch || o.Epoch >= maxEpoch {
		return
	}
	t.event(fleet.EventHubOutranked, "hub", subjectHost(host), fleet.EventData{Host: host, Message: fmt.Sprintf(
		"%s has obeyed a start of this hub with the epoch %d, this one's was %d: the clock was set back, or the store is an older copy; this one's is now %d",
		host, o.Epoch, t.epoch, o.Epoch+1)})
	t.epoch = o.Epoch + 1
	for _, id := range t.hosts.keys(byText) {
		t.resend[id] = true
	}
	t.out.Publish = append(t.out.Publish, t.hubState())
}

// behind says once that the store was exchanged for an older copy without
// being restored: what was decided since is unknown, and ids may come again.
func (t *tx) behind(host string, o fleet.Observed) {
	if o.Generation <= t.s.Revision || t.fleet.Behind {
		return
	}
	t.fleet.Behind = true
	t.event(fleet.EventHubBehind, "hub", subjectHost(host), fleet.EventData{Host: host, Message: fmt.Sprintf(
		"%s has obeyed revision %d of this hub, whose store is at %d: the store is an older copy; stop the hub, muster-hub backup FILE, muster-hub restore --force FILE, and start it again",
		host, o.Generation, t.s.Revision)})
}
