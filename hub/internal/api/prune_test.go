package api

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const prunePath = "/v1/hosts/web1/prune"

// servePruned is an API whose agents answer as they are told, after a while.
func servePruned(t *testing.T, after time.Duration, answer fleet.Answer, change ...func(*Options)) (*server, *[]fleet.Ask) {
	var s *server
	var asked []fleet.Ask
	var group sync.WaitGroup
	change = append(change, func(o *Options) {
		o.Asker = askerFunc(func(host string, ask fleet.Ask) error {
			asked = append(asked, ask)
			group.Go(func() {
				time.Sleep(after)
				s.api.Answered("web9", fleet.Answer{ID: ask.ID, Problem: "not its question"})
				s.api.Answered(host, fleet.Answer{ID: "other", Problem: "another question"})
				answer.ID = ask.ID
				s.api.Answered(host, answer)
				s.api.Answered(host, answer) // once is enough
			})
			return nil
		})
	})
	s = serve(t, change...)
	t.Cleanup(group.Wait)
	return s, &asked
}

func TestAHostIsPruned(t *testing.T) {
	images := []fleet.PrunedImage{{ID: "sha256:1", Names: []string{"web:1"}, Bytes: 7}, {ID: "sha256:2", Bytes: 5}}
	s, asked := servePruned(t, 0, fleet.Answer{Problem: "web:0 is in use", Images: images})
	for i, body := range []string{"", `{"dryRun":true}`} {
		a := s.call("POST", prunePath, body)
		got := decode[Pruned](t, a)
		if a.status != 200 || got.Bytes != 12 || !reflect.DeepEqual(got.Images, images) || got.Problem != "web:0 is in use" {
			t.Errorf("%d %s", a.status, a.body)
		}
		ask := (*asked)[i]
		if ask.Do != fleet.AskPrune || ask.DryRun != (i == 1) || ask.TTL.D() != s.api.limits.PruneTime || ask.Cause != "prune by anonymous" {
			t.Errorf("asked %+v", ask)
		}
	}
}

func TestNothingToPrune(t *testing.T) {
	s, _ := servePruned(t, 0, fleet.Answer{OK: true})
	if a := s.call("POST", prunePath, ""); a.status != 200 || a.body != `{"images":[],"bytes":0}`+"\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestWhatIsNotPruned(t *testing.T) {
	s, asked := servePruned(t, 0, fleet.Answer{Problem: "this agent doesn't know the question"})
	s.call("POST", "/v1/hosts/none/prune", "").problem(t, 404, "not_found")
	s.call("POST", "/v1/hosts/-/prune", "").problem(t, 422, "invalid")
	s.call("POST", prunePath, `{"all":true}`).problem(t, 422, "invalid")
	if p := s.call("POST", "/v1/hosts/web2/prune", "").problem(t, 503, "unavailable"); p.Detail != "host web2 is lost" || p.Hint == "" {
		t.Errorf("%+v", p)
	}
	if len(*asked) > 0 {
		t.Errorf("asked %+v", *asked)
	}
	want := "host web1 removes no images: this agent doesn't know the question"
	if p := s.call("POST", prunePath, "").problem(t, 503, "unavailable"); p.Detail != want {
		t.Errorf("%+v", p)
	}
}

func TestAHostThatDoesNotSayWhatItPruned(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.PruneTime, o.Limits.Asks = 10*time.Millisecond, 1 })
	for range 2 { // who has given up waits no more
		if p := s.call("POST", prunePath, "").problem(t, 503, "unavailable"); p.Detail != "host web1 did not answer" || p.Hint == "" {
			t.Errorf("%+v", p)
		}
	}
	s.api.options.Asker = askerFunc(func(string, fleet.Ask) error { return errors.New("the wire is cut") })
	s.call("POST", prunePath, "").problem(t, 500, "internal")
}

// Removing many images takes longer than any other request may.
func TestPruningOutlastsDeadlines(t *testing.T) {
	s, _ := servePruned(t, 1500*time.Millisecond, fleet.Answer{OK: true, Images: []fleet.PrunedImage{{ID: "sha256:1", Bytes: 7}}},
		func(o *Options) {
			o.Limits.RequestTime, o.Limits.OrderTime = 300*time.Millisecond, 300*time.Millisecond
		})
	if a := s.call("POST", prunePath, ""); a.status != 200 || decode[Pruned](t, a).Bytes != 7 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// What was removed is in the audit trail, and so is what failed; a dry run isn't.
func TestPruningIsAudited(t *testing.T) {
	trail := &fakeTrail{}
	with := func(o *Options) { o.Trail = trail }
	s, _ := servePruned(t, 0, fleet.Answer{OK: true, Images: []fleet.PrunedImage{{ID: "sha256:1", Bytes: 7}}}, with)
	s.call("POST", prunePath, `{"dryRun":true}`)
	s.call("POST", prunePath, "")
	s, _ = servePruned(t, 0, fleet.Answer{Problem: "no"}, with)
	s.call("POST", prunePath, "")
	by := fleet.AuditEntry{Who: "anonymous", Role: fleet.RoleAdmin, Via: fleet.ViaHTTP, From: "127.0.0.1", Do: "prune", Subject: "hosts/web1"}
	done, failed := by, by
	done.Result, done.Message = fleet.AuditDone, "1 removed"
	failed.Result, failed.Message = fleet.AuditFailed, "host web1 removes no images: no"
	if want := []fleet.AuditEntry{done, failed}; !reflect.DeepEqual(trail.entries, want) {
		t.Errorf("%+v", trail.entries)
	}
}
