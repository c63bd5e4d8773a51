package nginx

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
	"github.com/musterhq/muster/test/lbtest"
)

// tested is the nginx that the tests are of: this machine's, or that of another
// version, as packaging/dev/nginx.sh gets one.
var tested = cmp.Or(os.Getenv("MUSTER_TEST_NGINX"), "nginx")

// keepsClients says whether that one promises every client that it drops nothing,
// or only those that try again.
var keepsClients = func() bool {
	output, err := exec.Command(tested, "-v").CombinedOutput()
	version, ok := lbconf.ParseNginxVersion(string(output))
	if err != nil || !ok {
		panic(fmt.Sprintf("which nginx is this? %v: %s", err, output))
	}
	return version.AtLeast(lbconf.NginxKeepsClients)
}()

// driver is this one, for the suite that all of them stand.
func driver() lbtest.Driver {
	return lbtest.Driver{
		Key: Driver, Program: tested, File: "nginx.conf", Foreign: "events {}\n",
		New: func(o lbtest.Options) (lbtest.Balancer, error) {
			lb, err := newBalancer(o)
			if err == nil {
				lb.paceOld = paceNew // the tests are about what happens, not when
			}
			return byHand{lb}, err
		},
		Spoil:       func(pool *fleet.Pool) { pool.Routes[0].Snippets = map[string]string{Driver: bad} },
		Complaint:   "invalid number of arguments",
		Snippet:     "# mine\nadd_header X-Shop 'a b';\n",
		BadSnippet:  "add_header X-Shop $nothing_of_the_kind;",
		Differences: lbtest.Differences{KeepsClients: keepsClients, SendsBack: true},
	}
}

// paced is the driver whose reloads are as far apart as they are in production.
func paced() lbtest.Driver {
	d := driver()
	d.New = func(o lbtest.Options) (lbtest.Balancer, error) {
		lb, err := newBalancer(o)
		return byHand{lb}, err
	}
	return d
}

func newBalancer(o lbtest.Options) (*Balancer, error) {
	options := DefaultOptions()
	options.Dir, options.Binary, options.MaxConn, options.Retries = o.Dir, o.Program, o.MaxConn, 0
	options.Certificates = cmp.Or(o.Certificates, options.Certificates)
	options.BindAddresses = []netip.Addr{o.Address}
	options.Logger, options.Report, options.Counted = o.Logger, o.Report, o.Counted
	return New(options)
}

// byHand is a balancer, and what can be done to its nginx beside the agent.
type byHand struct{ *Balancer }

// lbOf is the balancer of a rig.
func lbOf(r *lbtest.Rig) *Balancer { return r.Balancer.(byHand).Balancer }

func (b byHand) Processes(t testing.TB) (now lbtest.Processes) {
	t.Helper()
	lbtest.Poll(t, "nginx has a master and a worker", func() bool {
		master, alive := b.named()
		now = lbtest.Processes{Master: master}
		for _, worker := range workersOf(master) {
			if serving(worker) {
				now.Current = worker.PID
			} else {
				now.Old = append(now.Old, worker.PID)
			}
		}
		return alive && now.Current != 0
	})
	return now
}

func (b byHand) Master(t testing.TB) int {
	t.Helper()
	return b.Processes(t).Master
}

func (b byHand) Named() int {
	pid, _ := b.named()
	return pid
}

func (b byHand) Reload(t testing.TB) {
	t.Helper()
	before := b.Processes(t)
	lbtest.Kill(t, before.Master, syscall.SIGHUP)
	lbtest.Poll(t, "new workers", func() bool {
		title := titleOf(before.Current)
		return title == "" || strings.HasSuffix(title, closingTitle)
	})
}

// due is the reload that pools are due for, of a balancer whose agent is away.
func due(t *testing.T, r *lbtest.Rig, pools ...*fleet.Pool) sequence.Action {
	t.Helper()
	r.WantNext(pools...)
	lb := lbOf(r)
	t.Cleanup(lb.checker.stop)
	var action sequence.Action
	lbtest.Poll(t, "a reload is due", func() bool {
		seen, err := lb.observe(context.Background())
		if err != nil {
			return false
		}
		turn := sequence.NextByFile(lb.Wanted(), seen, lb.Memory, time.Now(), lb.byFile())
		lb.Memory = turn.Memory
		if len(turn.Actions) == 0 || turn.Actions[0].Kind != sequence.Reload {
			return false
		}
		action = turn.Actions[0]
		return true
	})
	return action
}
