package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/musterhq/muster/examples/rank/image"
	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/compose/resolve"
	"github.com/musterhq/muster/shared/fleet"
)

// project is what the Compose files of a version mean to Muster.
func project(t *testing.T, version int) map[string]fleet.Service {
	t.Helper()
	files := []string{"compose.yaml", "compose.v2.yaml", "compose.v3.yaml"}[:version]
	document, err := resolve.Resolve(t.Context(), resolve.Options{Files: files})
	if err != nil || len(document.Warnings) > 0 {
		t.Fatal(err, document.Warnings)
	}
	project, err := compose.Map(document.Document)
	if err != nil {
		t.Fatal(err)
	}
	services := map[string]fleet.Service{}
	for _, s := range project.Services {
		services[s.Key.String()] = s
	}
	if len(services) != 2 {
		t.Fatalf("version %d has %d services", version, len(services))
	}
	return services
}

// The Compose files must mean to Muster what the README says of them.
func TestComposeFiles(t *testing.T) {
	for version, routes := range map[int]string{
		1: `[{"target":8080,"listen":[8080],"protocol":"http"}]`,
		2: `[{"target":8080,"listen":[8080],"protocol":"http"},{"target":9090,"listen":[9090],"protocol":"grpc"}]`,
		3: `[{"target":8080,"listen":[8080],"protocol":"http"},{"target":9090,"listen":[9090],"protocol":"grpc"}]`,
	} {
		for key, want := range map[string]struct {
			image, routes, probe string
			count                int
		}{
			"leaderboard/board": {image.RedisTag, `[{"target":6379,"listen":[6379],"protocol":"tcp"}]`, fleet.ProbeTCP, 1},
			"leaderboard/rank":  {image.RankTag(version), routes, fleet.ProbeHTTP, 5},
		} {
			s, ok := project(t, version)[key]
			if !ok {
				t.Fatalf("version %d: no service %s", version, key)
			}
			got, err := json.Marshal(s.Balancing.Routes)
			if err != nil {
				t.Fatal(err)
			}
			if s.Spec.Image != want.image || s.Count != want.count || s.Spec.Probe.Type != want.probe || string(got) != want.routes {
				t.Errorf("version %d: %s: %+v", version, key, s)
			}
		}
	}
}

// Version 2 asks balancers the same, and leaves the store as it is.
func TestVersion2ChangesNothingElse(t *testing.T) {
	first, second := project(t, 1), project(t, 2)
	before, after := first["leaderboard/rank"], second["leaderboard/rank"]
	if before.Balancing.Check != after.Balancing.Check || before.Balancing.DrainTimeout != after.Balancing.DrainTimeout {
		t.Errorf("%+v became %+v", before.Balancing, after.Balancing)
	}
	if a, b := first["leaderboard/board"], second["leaderboard/board"]; !reflect.DeepEqual(a, b) {
		t.Errorf("the store: %+v\nbecame %+v", a, b)
	}
	if fmt.Sprint(before.Spec.Environment) != fmt.Sprint(after.Spec.Environment) || !strings.HasSuffix(after.Spec.Image, ":2") {
		t.Errorf("%+v", after.Spec)
	}
}
