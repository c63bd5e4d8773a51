package broker

import "errors"

// maxKicks are remembered by name.
const maxKicks = 1 << 12

// kicks are who was kicked when, counted by kicks. Who proves who they are may have
// begun before that, and get a session after it: they are looked for here.
type kicks struct {
	count  uint64
	by     map[string]uint64 // the last, by name
	before uint64            // those up to this one are forgotten
}

// ofHost is the name of a host here, which no account has.
func ofHost(id string) string { return "/" + id }

func (k *kicks) add(name string) {
	if k.by == nil || len(k.by) >= maxKicks {
		k.by, k.before = map[string]uint64{}, k.count
	}
	k.count++
	k.by[name] = k.count
}

var errKicked = errors.New("it lost its right to come in meanwhile, or may have")

// since says whether somebody was kicked who began when count was as it says.
func (k *kicks) since(count uint64, who identity) error {
	names := []string{ofHost(who.id)}
	if who.role == roleReader {
		names = []string{who.account(), who.by.Name}
	}
	for _, name := range names {
		if count < k.before || k.by[name] > count {
			return errKicked
		}
	}
	return nil
}

// now is what since takes.
func (s *sessions) now() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kicks.count
}

func (s *sessions) kick(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kicks.add(name)
}
