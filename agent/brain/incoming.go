package brain

import (
	"cmp"

	"github.com/musterhq/muster/shared/fleet"
)

// incoming is what was accepted and is not on disk yet: nothing follows from
// it, and nobody is told.
type incoming struct {
	desired *accepted // nil: none
	pools   map[fleet.ServiceKey]acceptedPool
}

// newestDesired is the one that a message has to be newer than.
func (s *State) newestDesired() *accepted {
	return cmp.Or(s.incoming.desired, s.written.desired, s.accepted)
}

func (s *State) newestPool(service fleet.ServiceKey) acceptedPool {
	for _, in := range []incoming{s.incoming, s.written} {
		if p, ok := in.pools[service]; ok {
			return p
		}
	}
	return s.pools[service]
}
