package nginx

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// speaking makes a program that says something of itself, and else is nginx.
func speaking(t testing.TB, says string) string {
	return wrap(t, fmt.Sprintf(`if [ "$1" = -V ]; then echo '%s'; exit; fi`, says))
}

func TestANginxThatIsTooOld(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]string{
		"nginx version: nginx/1.16.1":   "too old: 1.18.0 is the oldest",
		"nginx version: openresty/1.25": "doesn't say that it is nginx",
	} {
		r := newRig(t, func(r *rig) { r.binary = speaking(t, says) })
		web := newPool(t, "web")
		web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
		r.want(web)
		r.until("it is said", func(x fleet.BalancerActual) bool { return !x.Up && strings.Contains(x.Problem, want) })
		if _, err := os.Stat(filepath.Join(r.dir, "nginx.conf")); err == nil {
			t.Error("it is driven all the same")
		}
	}
}

// What needs a module waits for it; the others go on.
func TestWithoutTheModuleForTCP(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.binary = speaking(t, "nginx version: nginx/1.22.1 --with-stream=dynamic --modules-path=/nonexistent")
	})
	web, db := newPool(t, "web"), newPool(t, "db")
	db.Routes[0].Protocol, db.Check.Type = fleet.ProtocolTCP, fleet.ProbeTCP
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
	db.Endpoints = []fleet.Endpoint{newProgram(t, "d").endpoint(fleet.EndpointReady)}
	r.want(db, web)
	r.ready(web, "a")
	answers(t, web, "a")
	r.until("the module is named", func(x fleet.BalancerActual) bool {
		return strings.Contains(poolOf(x, db.Service).Problem, "libnginx-mod-stream")
	})
}

func TestWhatIsPromised(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	_ = web
	r.until("it is said", func(x fleet.BalancerActual) bool {
		return strings.Contains(x.Promise, "no request is dropped") && strings.Contains(x.Promise, "clients that try again") != keepsClients && strings.Contains(x.Version, ".")
	})
	for text, want := range map[string]string{"1.18.0": "at most one in 3s", "1.27.3": "at most one in 3s", "1.27.4": "HTTP/2 are told", "1.30.6": "HTTP/2 are told"} {
		b, err := New(balancer.Options{Name: "nginx", Binary: "nginx", Dir: "/x", Certificates: "/x"})
		if err != nil {
			t.Fatal(err)
		}
		b.program.version, b.running = lbconf.NginxOldest, text
		if said := b.promise(); !strings.Contains(said, want) {
			t.Errorf("%s promises %q", text, said)
		}
	}
}

// TestAReloadThatFailsIsSaid: nginx's checker doesn't know who has a port, and
// somebody takes it after it was looked at. The old workers go on, and so does what
// they know; once the port is free it is had.
func TestAReloadThatFailsIsSaid(t *testing.T) {
	t.Parallel()
	r, web := served(t)
	r.detach()
	taken := freePort(t)
	holder, err := net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, taken))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	web.Routes[0].Listen = append(web.Routes[0].Listen, taken)
	action := r.due(web)
	if err := r.lb.replace(t.Context(), action); err != nil {
		t.Fatal(err)
	}
	err = r.lb.reload(t.Context(), r.lb.structure(action.Pools, action.Down))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("bind() to %s:%d failed", loopback, taken)) || !strings.Contains(err.Error(), "go on") {
		t.Errorf("the reload: %v", err)
	}
	other := newPool(t, "other")
	if who := r.lb.suspects(t.Context(), append(action.Pools, *other), err); len(who) != 1 || who[0].Service != web.Service {
		t.Errorf("suspected are %v", who)
	}
	r.answers(web, "a")
	r.attach()
	r.want(web)
	r.until("the port is what is wrong", func(x fleet.BalancerActual) bool {
		return strings.Contains(x.Problem+poolOf(x, web.Service).Problem, fmt.Sprint(taken))
	})
	r.answers(web, "a")
	holder.Close()
	r.until("it is had", func(x fleet.BalancerActual) bool {
		return x.Problem == "" && poolOf(x, web.Service).Problem == "" && poolOf(x, web.Service).Generation == web.Generation
	})
}
