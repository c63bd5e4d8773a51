//go:build e2e && soak

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
	"github.com/musterhq/muster/test/cluster"
)

// TestFaultHubOutOfFiles: nobody new gets in, who is in stays, and all goes on.
func TestFaultHubOutOfFiles(t *testing.T) {
	p := begin(t, "hubfiles")
	p.apply(web("app:1", 3, 9122))
	before := p.containers()
	p.mark()
	restore := p.noMoreFiles("hub")
	p.until(20*time.Second, "the hub takes no connection", func() (bool, string) {
		ctx, cancel := context.WithTimeout(p.ctx(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.c.URL+"/healthz", http.NoBody)
		p.must(err)
		res, err := direct.Do(request)
		if err == nil {
			res.Body.Close()
		}
		return err != nil, "it answers"
	})
	p.answers(9122, 5)
	p.restartsOne(before)
	restore()
	p.allUp()
	p.converged("web", time.Minute)
	p.soon(20*time.Second, fleet.EventInstanceExited, "137")
	p.intact(before)
	p.never(fleet.EventHostLost, fleet.EventInstancePlaced, fleet.EventInstanceDraining)
	p.mustMuster("scale", "hubfiles/web=4", "--wait")
}

// TestFaultAgentOutOfFiles: what an agent can't look at it doesn't call dead.
func TestFaultAgentOutOfFiles(t *testing.T) {
	p := begin(t, "agentfiles")
	p.apply(web("app:1", 3, 9123))
	before, host := p.containers(), ""
	for _, c := range before {
		if c.Host != "web1" { // where the clients' way in is
			host = c.Host
		}
	}
	p.mark()
	stop := p.traffic(9123)
	restore := p.noMoreFiles(host)
	p.mustMuster("scale", "agentfiles/web=6")
	p.until(time.Minute, "the service says what it waits for", func() (bool, string) {
		out := p.mustMuster("service", "agentfiles/web")
		flat := strings.Join(strings.Fields(out), " ")
		return strings.Contains(flat, host+" hasn't taken its desired state yet") && strings.Contains(flat, "too many open files"), out
	})
	time.Sleep(3 * time.Second) // three probes' time, in which nothing may happen
	restore()
	p.converged("web", time.Minute)
	if sent, failed, last := stop(); failed != 0 || sent == 0 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, last)
	}
	p.intact(before)
	p.never(fleet.EventHostLost, fleet.EventInstanceUnready, fleet.EventInstanceDraining)
}

// endless is a flood's content.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "flood\n"[i%6]
	}
	return len(p), nil
}

// TestFaultFlood has an agent publish as fast as it can. Nobody else notices.
func TestFaultFlood(t *testing.T) {
	t.Parallel()
	p := begin(t, "flood")
	p.apply(web("app:1", 2, 9124))
	p.mark()
	dropped := p.metric("muster_queue_dropped_total")
	ctx, cancel := context.WithCancel(p.Context())
	cmd := p.c.Fleet.Host("web3").Command(ctx, "mosquitto_pub", "-h", p.c.Fleet.Host(cluster.HubHost).Address,
		"-q", "0", "-l", "-i", "web9", "-u", "agent:m9", "-t", wire.Host("web9", wire.LeafActual))
	cmd.Stdin = io.LimitReader(endless{}, 1<<30)
	p.must(cmd.Start())
	defer func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}()
	event := p.soon(30*time.Second, fleet.EventHostSlowed, "the agent on web9 sends more than 100 messages a second")
	p.says(event.Data.Message, "slowed down", "restart it")
	p.mustMuster("scale", "flood/web=4", "--wait", "--timeout", patience)
	if depth := p.metric("muster_queue_depth"); depth > 1000 {
		t.Errorf("%g messages wait in the hub's queue", depth)
	}
	if now := p.metric("muster_queue_dropped_total"); now != dropped {
		t.Errorf("%g messages were dropped", now-dropped)
	}
	p.never(fleet.EventHostLost, fleet.EventInstanceUnready)
}

// TestFaultTooMuchIsAskedFor wants more than the fleet has: it is held, and says
// why. More than there can be is refused.
func TestFaultTooMuchIsAskedFor(t *testing.T) {
	t.Parallel()
	p, other := begin(t, "toomuch"), begin(t, "beside")
	many := `
services:
  web:
    image: app:1
    deploy: {replicas: %d, resources: {reservations: {memory: 12G}}}
`
	p.says(p.exits(1, "apply", "-f", p.file(fmt.Sprintf(many, 10_001))), "services.web.deploy.replicas", "from 0 to 10000", "10001")
	p.mustMuster("apply", "-f", p.file(fmt.Sprintf(many, 10_000)))
	p.until(time.Minute, "it is held with a reason", func() (bool, string) {
		v := p.service("web")
		return v.State == fleet.ServiceHeld && strings.Contains(strings.Join(v.Reasons, "\n"), "of memory short"), describe([]fleet.ServiceView{v})
	})
	began := time.Now()
	for range 5 {
		p.mustMuster("services")
	}
	t.Logf("with 10,000 replicas wanted, a list of services takes %s", (time.Since(began) / 5).Round(time.Millisecond))
	other.apply(web("app:1", 2, 9125))
	if n := len(p.containers()); n > 10 {
		t.Errorf("%d containers", n)
	}
	p.mustMuster("rm", "toomuch/web", "--wait", "--yes")

	// Each is as large as one may be; a host's message has room for four.
	large := "services:\n"
	for i := range 5 {
		large += fmt.Sprintf("  s%d:\n    image: app:1\n    environment: {LARGE: %q}\n    deploy: {placement: {constraints: [node.hostname == web2]}}\n", i, strings.Repeat("x", 120<<10))
	}
	p.mustMuster("apply", "-f", p.file(large))
	p.until(time.Minute, "the last one is held with the limit", func() (bool, string) {
		list, err := p.c.Client.Services(p.ctx(), p.name)
		p.must(err)
		said := describe(list.Items)
		return strings.Contains(said, "web2: its desired state would pass 512 KiB"), said
	})
	tooLarge := strings.Replace(large, strings.Repeat("x", 120<<10), strings.Repeat("x", 130<<10), 1)
	p.says(p.exits(1, "apply", "-f", p.file(tooLarge)), "services.s0", "more than 131072")
}
