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
	"github.com/musterhq/muster/test/lbtest"
)

// speaking makes a program that says something of itself, and else is nginx.
func speaking(t testing.TB, says string) string {
	return lbtest.Wrap(t, tested, fmt.Sprintf(`if [ "$1" = -V ]; then echo '%s'; exit; fi`, says))
}

func TestANginxThatIsTooOld(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]string{
		"nginx version: nginx/1.16.1":   "too old: 1.18.0 is the oldest",
		"nginx version: openresty/1.25": "doesn't say that it is nginx",
	} {
		r := lbtest.NewRig(t, driver(), func(o *lbtest.Options) { o.Program = speaking(t, says) })
		web := lbtest.NewPool(t, "web")
		web.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
		r.WantNext(web)
		r.Until("it is said", func(x fleet.BalancerActual) bool { return !x.Up && strings.Contains(x.Problem, want) })
		if _, err := os.Stat(filepath.Join(r.Options.Dir, "nginx.conf")); err == nil {
			t.Error("it is driven all the same")
		}
	}
}

// What needs a module waits for it; the others go on.
func TestWithoutTheModuleForTCP(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver(), func(o *lbtest.Options) {
		o.Program = speaking(t, "nginx version: nginx/1.22.1 --with-stream=dynamic --modules-path=/nonexistent")
	})
	web, db := lbtest.NewPool(t, "web"), lbtest.NewPool(t, "db")
	db.Routes[0].Protocol, db.Check.Type = fleet.ProtocolTCP, fleet.ProbeTCP
	web.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	db.Endpoints = []fleet.Endpoint{lbtest.NewProgram(t, "d").Endpoint(fleet.EndpointReady)}
	r.WantNext(db, web)
	r.Ready(web, "a")
	lbtest.Answer(t, web, "a")
	r.Until("the module is named", func(x fleet.BalancerActual) bool {
		return strings.Contains(lbtest.PoolOf(x, db.Service).Problem, "libnginx-mod-stream")
	})
}

func TestWhatIsPromised(t *testing.T) {
	t.Parallel()
	r, web := lbtest.Serving(t, driver())
	_ = web
	r.Until("it is said", func(x fleet.BalancerActual) bool {
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
	r, web := lbtest.Serving(t, driver())
	r.Detach()
	taken := lbtest.FreePort(t)
	holder, err := net.Listen("tcp", fmt.Sprintf("%s:%d", lbtest.Loopback, taken))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	web.Routes[0].Listen = append(web.Routes[0].Listen, taken)
	action := due(t, r, web)
	if err := lbOf(r).replace(t.Context(), action); err != nil {
		t.Fatal(err)
	}
	err = lbOf(r).reload(t.Context(), lbOf(r).structure(action.Pools, action.Down))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("bind() to %s:%d failed", lbtest.Loopback, taken)) || !strings.Contains(err.Error(), "go on") {
		t.Errorf("the reload: %v", err)
	}
	other := lbtest.NewPool(t, "other")
	if who := lbOf(r).suspects(t.Context(), append(action.Pools, *other), err); len(who) != 1 || who[0].Service != web.Service {
		t.Errorf("suspected are %v", who)
	}
	r.Answers(web, "a")
	r.Attach()
	r.WantNext(web)
	r.Until("the port is what is wrong", func(x fleet.BalancerActual) bool {
		return strings.Contains(x.Problem+lbtest.PoolOf(x, web.Service).Problem, fmt.Sprint(taken))
	})
	r.Answers(web, "a")
	holder.Close()
	r.Until("it is had", func(x fleet.BalancerActual) bool {
		return x.Problem == "" && lbtest.PoolOf(x, web.Service).Problem == "" && lbtest.PoolOf(x, web.Service).Generation == web.Generation
	})
}
