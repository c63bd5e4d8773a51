package main

import (
	"os"
	"testing"

	"github.com/musterhq/muster/examples/rank/image"
	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

// The Compose file must mean to Muster what the README says of it.
func TestComposeFile(t *testing.T) {
	document, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	project, err := compose.Map(document)
	if err != nil {
		t.Fatal(err)
	}
	if project.Name != "leaderboard" || len(project.Services) != 2 {
		t.Fatalf("project %s with %d services", project.Name, len(project.Services))
	}
	for _, want := range []struct {
		key, image string
		count      int
		listen     int
		protocol   string
		probe      string
	}{
		{"leaderboard/board", image.RedisTag, 1, 6379, fleet.ProtocolTCP, fleet.ProbeTCP},
		{"leaderboard/rank", image.RankTag, 5, 8080, fleet.ProtocolHTTP, fleet.ProbeHTTP},
	} {
		found := false
		for _, s := range project.Services {
			if s.Key.String() != want.key {
				continue
			}
			found = true
			route := s.Balancing.Routes[0]
			if s.Spec.Image != want.image || s.Count != want.count || s.Spec.Probe.Type != want.probe ||
				route.Listen[0] != want.listen || route.Protocol != want.protocol {
				t.Errorf("%s: %+v", want.key, s)
			}
		}
		if !found {
			t.Errorf("no service %s", want.key)
		}
	}
}
