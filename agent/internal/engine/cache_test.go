package engine

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/musterhq/muster/agent/brain"
)

func TestCache(t *testing.T) {
	start := time.Now()
	fresh := func() *cache {
		known := newCache()
		c := &known
		c.follow(1)
		c.put("a", c.mark(), entry{key: "k", until: start.Add(1), container: brain.Container{ID: "a"}})
		return c
	}
	for name, c := range map[string]struct {
		change func(*cache)
		key    string
		now    time.Time
		want   bool
	}{
		"known":               {func(*cache) {}, "k", start, true},
		"changed in the list": {func(*cache) {}, "k2", start, false},
		"too old":             {func(*cache) {}, "k", start.Add(1), false},
		"event":               {func(c *cache) { c.invalidate("a") }, "k", start, false},
		"event on another":    {func(c *cache) { c.invalidate("b") }, "k", start, true},
		"events missed":       {func(c *cache) { c.follow(-1); c.follow(1) }, "k", start, false},
		"nobody follows":      {func(c *cache) { c.follow(-1); c.put("a", c.mark(), entry{key: "k", until: start.Add(1)}) }, "k", start, false},
		"nobody follows a failure": {func(c *cache) {
			c.follow(-1)
			c.put("a", c.mark(), entry{key: "k", until: start.Add(1), container: brain.Container{Problem: "x"}})
		}, "k", start, true},
		"gone":   {func(c *cache) { c.retain([]container.Summary{{ID: "b"}}) }, "k", start, false},
		"listed": {func(c *cache) { c.retain([]container.Summary{{ID: "b"}, {ID: "a"}}) }, "k", start, true},
		"event during an inspection": {func(c *cache) {
			c.invalidate("a")
			mark := c.mark()
			c.invalidate("a")
			c.put("a", mark, entry{key: "k", until: start.Add(1)})
		}, "k", start, false},
		"event on another during an inspection": {func(c *cache) {
			c.invalidate("a")
			mark := c.mark()
			c.invalidate("b")
			c.put("a", mark, entry{key: "k", until: start.Add(1)})
		}, "k", start, true},
	} {
		t.Run(name, func(t *testing.T) {
			known := fresh()
			c.change(known)
			if _, got := known.get("a", c.key, c.now); got != c.want {
				t.Errorf("known: %v, want %v", got, c.want)
			}
		})
	}
}

func TestListKey(t *testing.T) {
	listed := func(change func(*container.Summary)) string {
		s := container.Summary{
			ID: "a", State: "running", Status: "Up 5 minutes (healthy)", Names: []string{"/web"},
			NetworkSettings: &container.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{
				"bridge": {EndpointID: "e1"}, "extra": nil,
			}},
		}
		change(&s)
		return listKey(&s)
	}
	base := listed(func(*container.Summary) {})
	for name, c := range map[string]struct {
		change func(*container.Summary)
		same   bool
	}{
		"time passes":     {func(s *container.Summary) { s.Status = "Up 6 minutes (healthy)" }, true},
		"health":          {func(s *container.Summary) { s.Status = "Up 5 minutes (unhealthy)" }, false},
		"no health":       {func(s *container.Summary) { s.Status = "Up 5 minutes" }, false},
		"state":           {func(s *container.Summary) { s.State = "paused" }, false},
		"name":            {func(s *container.Summary) { s.Names = []string{"/other"} }, false},
		"network":         {func(s *container.Summary) { delete(s.NetworkSettings.Networks, "extra") }, false},
		"started again":   {func(s *container.Summary) { s.NetworkSettings.Networks["bridge"].EndpointID = "e2" }, false},
		"no networks yet": {func(s *container.Summary) { s.NetworkSettings = nil }, false},
	} {
		if got := listed(c.change); (got == base) != c.same {
			t.Errorf("%s: same is %v", name, got == base)
		}
	}
}

func TestOurs(t *testing.T) {
	mine := map[string]string{brain.LabelLineage: "l", brain.LabelHost: "h"}
	for name, c := range map[string]struct {
		labels        map[string]string
		lineage, host string
		want          bool
	}{
		"ours":          {mine, "l", "h", true},
		"any lineage":   {mine, "", "h", true},
		"other lineage": {mine, "x", "h", false},
		"other host":    {mine, "l", "x", false},
		"no host label": {map[string]string{brain.LabelLineage: "l"}, "l", "", false},
		"no lineage":    {map[string]string{brain.LabelHost: "h"}, "", "h", false},
		"none":          {nil, "", "", false},
	} {
		if got := ours(c.labels, c.lineage, c.host); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
