//go:build e2e && soak

package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
	"github.com/musterhq/muster/test/cluster"
)

// hostLife is how long certificates of hosts are valid in this test: they are
// renewed after 10 to 16 s.
const hostLife = 20 * time.Second

// TestTrustRenewalRotationAndReturn: certificates are renewed, the authority is
// exchanged, and a host that was off past the end of its certificate comes back,
// while a service is under load: no instance is restarted, and no request fails.
func TestTrustRenewalRotationAndReturn(t *testing.T) {
	t.Parallel()
	p := trusted(t, "trust", "--host-cert-life", hostLife.String())
	p.apply(web("app:1", 4, 9301))
	before := p.containers()
	load, end := p.lightly(9301)

	first, _, _ := p.credential("web2")
	was := read(t, first)
	p.until(2*hostLife, "the certificate of web2 is renewed", func() (bool, string) {
		file, _, _ := p.credential("web2")
		return !bytes.Equal(read(t, file), was), "as before"
	})

	p.mustMuster("ca", "rotate")
	if out, err := p.muster("ca", "rotate"); err == nil || !strings.Contains(out, "muster ca rotate --finish") {
		t.Errorf("begun twice: %s", out)
	}
	p.until(time.Minute, "all hosts have certificates of the new authority", func() (bool, string) {
		all := p.authorities()
		return len(all) == 2 && len(all[0].Hosts) == 0 && slices.Equal(all[1].Hosts, names), fmt.Sprintf("%+v", all)
	})
	p.mustMuster("ca", "rotate", "--finish")
	if all := p.authorities(); len(all) != 1 || !all[0].Signs {
		t.Errorf("trusted are %+v", all)
	}
	// What was of the former authority opens nothing any more.
	cert, key, _ := first, strings.Replace(first, "cert.pem", "key.pem", 1), ""
	if out, err := p.stock("web3", "mosquitto_pub", p.caFile(), append(asHost("web2", cert, key), "-q", "1", "-t", wire.Host("web2", wire.LeafEvents), "-m", "x")...); err == nil {
		t.Errorf("a certificate of the former authority is taken: %s", out)
	}

	// web3 is off for longer than its certificate is valid; its containers go on.
	p.stop("web3")
	p.commandToWhoIsOff("web3")
	time.Sleep(hostLife + 2*time.Second)
	p.start("web3")
	p.until(30*time.Second, "web3 is back", func() (bool, string) {
		h := p.host("web3")
		return h.Status.State == fleet.HostUp, h.Status.State
	})
	p.mustMuster("scale", "trust/web=5", "--wait")
	p.mustMuster("scale", "trust/web=4", "--wait")

	p.whole(load, end, "")
	for id, c := range before {
		if now, there := p.containers()[id]; there && now.Started != c.Started {
			t.Errorf("%s was restarted", c.Name)
		}
	}
	p.never(fleet.EventHostLost, fleet.EventInstanceExited, fleet.EventHostCloned)
	p.revocation()
	p.guessing()
}

// revocation takes web3's place with its key, and then its right to it.
func (p *project) revocation() {
	p.Helper()
	p.stop("web3")
	cert, key, _ := p.credential("web3")
	ca := p.caFile()
	hub := p.c.Fleet.Host(cluster.HubHost)
	thief := p.c.Fleet.Host("web2").Command(p.Context(), "mosquitto_sub", append([]string{"-h", hub.Address, "-p", "8883", "--cafile", ca, "-d"},
		append(asHost("web3", cert, key), "-t", wire.Host("web3", wire.LeafDesired))...)...)
	said := p.background(thief, "SUBACK")
	p.mustMuster("host", "revoke", "web3")
	began := time.Now()
	p.until(20*time.Second, "the thief is out", func() (bool, string) {
		return strings.Contains(said.String(), "connection was lost"), said.String()
	})
	p.Logf("the stolen key opened nothing any more after %s", time.Since(began).Round(10*time.Millisecond))
	if out, err := p.stock("web2", "mosquitto_pub", ca, append(asHost("web3", cert, key), "-q", "1", "-t", wire.Host("web3", wire.LeafEvents), "-m", "x")...); err == nil {
		p.Errorf("a revoked certificate is taken: %s", out)
	}
	p.mustMuster("host", "rm", "web3", "--force", "--wait", "--yes")
	p.must(p.c.Join(p.ctx(), "web3"))
	p.start("web3")
	p.until(30*time.Second, "web3 is back with another right", func() (bool, string) {
		h, err := p.c.Client.Host(p.ctx(), "web3")
		return err == nil && h.Status.State == fleet.HostUp, fmt.Sprint(err)
	})
}
