package simtest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/turn"
)

// TestAReleasedPortRestsWhileSomebodyKnows has an agent give away a port that
// was released a while ago, after one or both of those who remember it have
// lost what they knew.
func TestAReleasedPortRestsWhileSomebodyKnows(t *testing.T) {
	const port = 20000
	empty, holds, knows := newStore(), newStore(), newStore()
	put := func(s *store, table, key string, record any) {
		value, err := json.Marshal(map[string]any{"v": 1, "record": record})
		if err != nil {
			t.Fatal(err)
		}
		s.rows[table][key] = value
	}
	put(holds, "hosts", "web1", turn.Host{ID: "web1", Held: map[int]turn.HeldPort{port: {}}})
	put(knows, "instances", "1-1", turn.Instance{ID: "1-1", Host: "web1", Ports: map[int]int{80: port}})
	tests := []struct {
		name     string
		store    *store // that the hub goes on with; nil: its own
		wiped    string // the host whose agent's disk is lost
		after    time.Duration
		violated bool
	}{
		{"both remember it", nil, "", time.Minute, true},
		{"the agent has forgotten it", nil, "web1", time.Minute, true},
		{"the hub has forgotten it", empty, "", time.Minute, true},
		{"both have forgotten it", empty, "web1", time.Minute, false},
		{"the hub has, and another agent", empty, "web2", time.Minute, true},
		{"the backup holds it", holds, "web1", time.Minute, true},
		{"the backup has the instance that had it", knows, "web1", time.Minute, true},
		{"it has rested", nil, "", portRest, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := New(DefaultOptions())
			h := &host{sim: s, id: "web1", address: "10.0.0.1"}
			s.checker.released["10.0.0.1:20000"] = &rest{memory: memory{host: h.id}, port: port, since: s.now}
			if test.wiped != "" {
				s.checker.diskLost(test.wiped)
			}
			if test.store != nil {
				s.hub.store.put(test.store.copied(), s.now)
				s.checker.rewound(map[string]string{})
			}
			s.now = s.now.Add(test.after)
			s.checker.created(h, &container{instance: "2-1", ports: map[int]int{80: port}})
			if violated := s.violation != nil; violated != test.violated {
				t.Errorf("violated: %t, want %t (%v)", violated, test.violated, s.violation)
			}
		})
	}
}
