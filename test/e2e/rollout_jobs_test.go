//go:build e2e && soak

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// TestJobsRunRoundARollout has a migration run before anything moves, and one that
// fails keeps everything as it is.
func TestJobsRunRoundARollout(t *testing.T) {
	t.Parallel()
	const port = 9231
	p := begin(t, "jobs")
	file := func(image, job string) string {
		return rollingOut(image, port, "{before: [migrate], monitor: 1s}") + `
  migrate:
    image: ` + job + `
    deploy: {mode: replicated-job}
`
	}
	p.apply(file("app:1", "job:1"))
	p.allAnswer(port, 3)
	g, end := p.lightly(port)
	p.mustMuster("apply", "-f", p.file(file("app:2", "job:1")))
	if r := p.rolledOut(fleet.RolloutSucceeded); len(r.Jobs) != 1 || !r.Jobs[0].Done {
		p.Errorf("jobs %+v", r.Jobs)
	}
	p.mustMuster("apply", "-f", p.file(file("rude:2", "job:2")))
	if r := p.rolledOut(fleet.RolloutRolledBack); !strings.Contains(r.Why, "ended with code 3") {
		p.Errorf("why: %s", r.Why)
	}
	p.whole(g, end, "")
	if v := p.service("web"); v.Version != 2 {
		p.Errorf("version %d", v.Version)
	}
}

// TestNothingMovesWithoutTheImage: a version whose image a host can't get is said,
// with the host's name, and changes nothing.
func TestNothingMovesWithoutTheImage(t *testing.T) {
	t.Parallel()
	const port = 9232
	p := begin(t, "imageless")
	p.apply(rollingOut("app:1", port, "{healthy_within: 20s}"))
	before := p.service("web").Instances
	missing := p.c.Fleet.Host(cluster.HubHost).Address + ":5000/nothing:1" // nothing listens there
	p.mustMuster("apply", "-f", p.file(rollingOut(missing, port, "{healthy_within: 20s}")))
	p.until(30*time.Second, "it says which hosts can't fetch it", func() (bool, string) {
		v := p.service("web")
		text := strings.Join(v.Reasons, "\n")
		return strings.Contains(text, "can't be fetched on web1: ") && strings.Contains(text, "web2: "), text
	})
	if now := p.service("web").Instances; len(now) != len(before) || now[0].ID != before[0].ID {
		p.Errorf("instances are %+v, were %+v", now, before)
	}
	p.rolledOut(fleet.RolloutRolledBack)
}
