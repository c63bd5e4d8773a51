package simtest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// TestWhatEndedStaysSoWhileSomebodyKnows has an agent make an instance again that
// was stopped for good, after one or both of those who know that have lost it.
func TestWhatEndedStaysSoWhileSomebodyKnows(t *testing.T) {
	with := func(goal string) *store {
		s := newStore()
		value, err := json.Marshal(map[string]any{"v": 1, "record": turn.Instance{ID: "1-1", Host: "web1", Goal: goal}})
		if err != nil {
			t.Fatal(err)
		}
		s.rows["instances"]["1-1"] = value
		return s
	}
	for name, c := range map[string]struct {
		store    *store // that the hub goes on with; nil: its own
		wiped    string // the host whose agent's disk is lost
		rejoined bool   // its host joined anew, and has accepted nothing yet
		violated bool
	}{
		"both know":                       {nil, "", false, true},
		"the agent has lost it":           {nil, "web1", false, true},
		"the hub has lost it":             {with(fleet.GoalRun), "", false, true},
		"both have lost it":               {with(fleet.GoalRun), "web1", false, false},
		"the hub has, and another agent":  {with(fleet.GoalRun), "web2", false, true},
		"the hub has, and who joins anew": {with(fleet.GoalRun), "", true, false},
		"the backup wants it to stop":     {with(fleet.GoalStop), "web1", false, true},
		"the backup lacks it":             {newStore(), "web1", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(DefaultOptions())
			s.AddHost("web1", false)
			s.checker.accepted["web1"] = fleet.Observed{Epoch: 1}
			s.checker.ended["1-1"] = &memory{host: "web1"}
			if c.rejoined {
				s.checker.rejoined("web1")
			}
			if c.wiped != "" {
				s.checker.diskLost(c.wiped)
			}
			if c.store != nil {
				s.hub.store.put(c.store.copied(), s.now)
				s.checker.rewound(map[string]string{})
			}
			s.checker.touches(s.hosts["web1"], &brain.Op{Kind: brain.OpCreate, Instance: "1-1", Cause: "a test", Create: &brain.Create{}}, nil)
			if violated := s.violation != nil && strings.Contains(s.violation.Error(), "made again"); violated != c.violated {
				t.Errorf("violated: %t, want %t (%v)", violated, c.violated, s.violation)
			}
		})
	}
}
