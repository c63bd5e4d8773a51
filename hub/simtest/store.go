package simtest

import (
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// store is the hub's disk. It outlives the hub.
type store struct {
	epoch    uint64
	revision uint64
	restored uint64 // the revision from which it went on as a restored one
	rows     map[string]map[string][]byte
	events   []fleet.Event
	full     bool          // every commit fails
	slow     time.Duration // how long a commit takes
}

func newStore() *store {
	s := &store{rows: map[string]map[string][]byte{}}
	for _, table := range turn.Tables {
		s.rows[table] = map[string][]byte{}
	}
	return s
}

// begin makes a new epoch, as a hub does at its start.
func (s *store) begin(now time.Time) {
	s.epoch = max(s.epoch+1, uint64(now.Unix()))
}

func (s *store) commit(revision uint64, rows []turn.Row, events []fleet.Event) {
	s.revision = revision
	for _, row := range rows {
		if row.Value == nil {
			delete(s.rows[row.Table], row.Key)
		} else {
			s.rows[row.Table][row.Key] = row.Value
		}
	}
	s.events = append(s.events, events...)
}

// load makes the state that a hub starts from.
func (s *store) load(now time.Time, options turn.Options) (*turn.State, error) {
	state := turn.New(lineage, s.epoch, s.revision, now, options)
	state.Restored = s.restored
	for _, table := range turn.Tables {
		for _, key := range slices.Sorted(maps.Keys(s.rows[table])) {
			if err := state.Load(table, key, s.rows[table][key]); err != nil {
				return nil, err
			}
		}
	}
	return state, nil
}
