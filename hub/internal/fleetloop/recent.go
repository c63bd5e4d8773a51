package fleetloop

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// maxRecent bounds what is kept, counted in changes and what they name.
const maxRecent = 10_000

// recent are the last changes of this hub, for watchers that come back. They
// are kept as they were sent: most of what a change names no event tells of,
// so it can't be made from those.
type recent struct {
	changes []fleet.Change // oldest first
	since   uint64         // every change after this revision is there
	size    int
}

func (r *recent) add(change fleet.Change) {
	r.changes = append(r.changes, change)
	r.size += size(change)
	for r.size > maxRecent && len(r.changes) > 1 {
		oldest := r.changes[0]
		r.changes[0] = fleet.Change{} // let go of what it names
		r.changes = r.changes[1:]
		r.since = oldest.Revision
		r.size -= size(oldest)
	}
}

// after returns the changes after a revision; known is false when some of
// them are no longer there.
func (r *recent) after(revision uint64) (changes []fleet.Change, known bool) {
	if revision < r.since {
		return nil, false
	}
	first := len(r.changes)
	for first > 0 && r.changes[first-1].Revision > revision {
		first--
	}
	return slices.Clone(r.changes[first:]), true
}

func size(change fleet.Change) int {
	return 1 + len(change.Services) + len(change.Hosts) + len(change.Events)
}
