package compose_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

// FuzzMap: whatever is sent, Map either explains itself or returns services
// that hold together, and says the same each time.
func FuzzMap(f *testing.F) {
	for _, name := range []string{
		"testdata/ok/rank.yaml", "testdata/ok/everything.yaml", "testdata/ok/rollout.yaml", "testdata/ok/swarm.yaml",
		"testdata/wrong/everything.yaml", "testdata/wrong/rollout.yaml", "testdata/wrong/jobs.yaml",
	} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		project, err := compose.Map(data)
		again, errAgain := compose.Map(data)
		if !reflect.DeepEqual(again, project) || fmt.Sprint(errAgain) != fmt.Sprint(err) {
			t.Errorf("first %+v, %v; then %+v, %v", project, err, again, errAgain)
		}
		if err != nil {
			for _, e := range compose.Errors(err) {
				if e.Code != fleet.CodeInvalid && e.Code != fleet.CodeConflict || e.Message == "" {
					t.Errorf("error of code %q: %v", e.Code, e)
				}
			}
			return
		}
		if err := fleet.ValidateProject(project.Name); err != nil {
			t.Error(err)
		}
		for i, s := range project.Services {
			checkService(t, s)
			if i > 0 && !project.Services[i-1].Key.Less(s.Key) {
				t.Errorf("%s is there twice, or out of order", s.Key)
			}
		}
		if _, err := json.Marshal(project.Services); err != nil {
			t.Error(err)
		}
	})
}

func checkService(t *testing.T, s fleet.Service) {
	t.Helper()
	if _, err := fleet.ParseServiceKey(s.Key.String()); err != nil {
		t.Error(err)
	}
	if err := s.ValidateRollout(); err != nil {
		t.Errorf("%s: %v", s.Key, err)
	}
	if s.Mode == fleet.ModeJob && (s.Count != 0 || s.Rollout != nil || s.Balancing != nil) {
		t.Errorf("%s is a job, and has %+v", s.Key, s)
	}
	published := map[int]bool{}
	for _, p := range s.Spec.Publish {
		if p.Target < 1 || p.Target > 65535 || p.HostPort < 0 || p.HostPort > 65535 {
			t.Errorf("%s publishes %+v", s.Key, p)
		}
		published[p.Target] = true
	}
	if s.Balancing != nil {
		for _, r := range s.Balancing.Routes {
			if !published[r.Target] || len(r.Listen) == 0 {
				t.Errorf("%s: route %+v is not published, or listens nowhere", s.Key, r)
			}
		}
	}
	if s.Spec.Probe != nil && !published[s.Spec.Probe.Port] {
		t.Errorf("%s: the probed port %d is not published", s.Key, s.Spec.Probe.Port)
	}
	if s.Spec.Image == "" || s.Count < 0 || s.Count > compose.MaxCount {
		t.Errorf("%s: image %q, count %d", s.Key, s.Spec.Image, s.Count)
	}
}
