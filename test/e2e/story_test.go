//go:build e2e && soak

package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// TestTheLogsTellTheStoryOfAnInstance: who greps the logs of hub and agents for
// an instance's id reads its whole life, as operations.md has it.
func TestTheLogsTellTheStoryOfAnInstance(t *testing.T) {
	t.Parallel()
	p := begin(t, "story")
	p.apply(web("app:1", 1, 9041))
	in := p.service("web").Instances[0]
	p.answers(9041, 5)
	p.mustMuster("rm", "story/web", "--wait", "--yes")
	hub := p.tells(p.c.Hub, in.ID,
		"type=muster.instance.placed", `msg="instance told".* goal=run`, "type=muster.instance.ready",
		`msg="instance offered".* state=ready pools=1`, "type=muster.instance.draining", `msg="instance offered".* state=draining pools=1`,
		"type=muster.instance.stopping", `msg="instance told".* goal=stop`, "type=muster.instance.gone")
	p.tells(p.c.Agents[in.Host], in.ID,
		`msg="instance accepted".* goal=run`, `msg="operation ended".* kind=create`, `msg="operation ended".* kind=start`,
		"type=muster.instance.started", `msg="instance ready"`, `msg="instance accepted".* goal=stop`,
		`msg="operation ended".* kind=stop`, `msg="operation ended".* kind=remove`, `msg="instance forgotten"`)
	p.tells(p.c.Agents["web1"], in.ID,
		`msg="instance in balancer".* state=ready`, `msg="instance in balancer".* state=draining`,
		`msg="instance in balancer".* state=drained`, `msg="instance in balancer".* state=removed`)

	order := p.happened(fleet.EventServiceApplied)[0]
	if placed := hub[0]; !strings.Contains(placed, "cause="+order.ID) {
		t.Errorf("%s doesn't lead to the order %s", placed, order.ID)
	}
	if lines, err := p.c.Hub.LogOf("id=" + order.ID + " "); err != nil || len(lines) != 1 || !strings.Contains(lines[0], "service=story/web") {
		t.Errorf("of the order the log has %v, %v", lines, err)
	}
}

// tells waits until the lines of a program's log about an instance have the
// patterns in their order, and returns those lines. Each names the service and
// a host.
func (p *project) tells(program *cluster.Process, instance string, patterns ...string) (story []string) {
	p.Helper()
	p.until(20*time.Second, "the log tells the story of "+instance, func() (bool, string) {
		lines, err := program.LogOf(" instance=" + instance + " ")
		p.must(err)
		story = nil
		rest := lines
		for _, pattern := range patterns {
			found := -1
			for i, line := range rest {
				if regexp.MustCompile(pattern).MatchString(line) {
					found = i
					break
				}
			}
			if found < 0 {
				return false, "no " + pattern + " in its place among\n" + strings.Join(lines, "\n")
			}
			story, rest = append(story, rest[found]), rest[found+1:]
		}
		return true, ""
	})
	for _, line := range story {
		if !strings.Contains(line, " service="+p.name+"/web ") || !strings.Contains(line, " host=web") {
			p.Errorf("a line doesn't name its service or host: %s", line)
		}
	}
	return story
}
