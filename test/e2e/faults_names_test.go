//go:build e2e && soak

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// named is a file with one service, by the names that can be wrong.
type named struct{ project, service, image, label, host string }

func (n named) String() string {
	return fmt.Sprintf("name: %q\nservices:\n  %q:\n    image: %q\n    labels: {%q: x}\n    deploy: {placement: {constraints: [%q]}}\n",
		n.project, n.service, n.image, n.label, "node.hostname=="+n.host)
}

// TestFaultNames asks the command line and the API for names that are allowed
// and for such that aren't. Nothing is changed by it.
func TestFaultNames(t *testing.T) {
	t.Parallel()
	p := begin(t, "named")
	long := strings.Repeat("a", 63)
	const (
		project = "1 to 63 of a-z, 0-9, '_' and '-', beginning with a letter or digit"
		service = "1 to 63 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit"
		host    = "1 to 63 of a-z, 0-9 and '-', not at either end"
		image   = "write it like redis:7 or registry.example.com/team/web:1.2"
	)
	for _, kind := range []struct {
		set            func(n *named, name string)
		place, way     string
		allowed, wrong []string
	}{
		{func(n *named, name string) { n.project = name }, "project", project,
			[]string{"a", "7_-", long}, []string{"Shop", "-a", "_a", "a.b", "a b", "ü", long + "a"}},
		{func(n *named, name string) { n.service = name }, "services.", service,
			[]string{"a", "Web.1_-", long}, []string{"-a", ".a", "a/b", "a b", "ü", long + "a"}},
		{func(n *named, name string) { n.image = name }, "services.web.image", image,
			[]string{"redis", "localhost:5000/team/app:1.2", "registry.example.com/a/b@sha256:" + strings.Repeat("0", 64)},
			[]string{"UPPER case", "a:b:c", "http://x/y", "-x", "a@sha256:12", "app:"}},
		{func(n *named, name string) { n.label = name }, "services.web.labels.muster.", "choose another name",
			[]string{"a", "com.example.x", "with space", "ü"}, []string{"muster.host", "muster.x"}},
		{func(n *named, name string) { n.host = name }, "services.web.deploy.placement.constraints[0]", host,
			[]string{"a", "7", "web-1", long}, []string{"-a", "a-", "Web", "a.b", "a_b", "ü", long + "a"}},
	} {
		for _, name := range kind.allowed {
			n := named{"named", "web", "app:1", "x", "web1"}
			kind.set(&n, name)
			p.says(p.exits(0, "apply", "-f", p.raw(n.String()), "--dry-run"), "+ "+n.project+"/"+n.service)
			if err := p.ask(n); err != nil {
				t.Errorf("%q: the API says %v", name, err)
			}
		}
		for _, name := range kind.wrong {
			n := named{"named", "web", "app:1", "x", "web1"}
			kind.set(&n, name)
			p.says(p.exits(1, "apply", "-f", p.raw(n.String()), "--dry-run"), kind.place, name, kind.way)
			if err := p.ask(n); fleet.CodeOf(err) != fleet.CodeInvalid {
				t.Errorf("%q: the API says %v", name, err)
			} else {
				p.says(err.Error(), kind.place, name, kind.way)
			}
		}
	}
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"service", "Shop/web"}, []string{`project: "Shop"`, project}},
		{[]string{"restart", "shop/-web"}, []string{`service: "-web"`, service}},
		{[]string{"rm", "shop/"}, []string{`service: ""`, service}},
		{[]string{"host", "drain", "Web_1"}, []string{`host: "Web_1"`, host}},
		{[]string{"freeze", "host:ü"}, []string{`host: "ü"`, host}},
	} {
		p.says(p.exits(1, c.args...), c.says...)
	}
	for _, args := range [][]string{{"--host-id", "Web_1"}, {"--host-id", "-a"}, {"--host-id", long + "a"}, {"--host-id", "a", "--label", "hostname=x"}, {"--host-id", "a", "--label", "x"}} {
		out, err := p.on("web1", filepath.Join(filepath.Dir(p.c.CLI), "muster-agent"), append(args, "--state-dir", t.TempDir())...)
		if err == nil {
			t.Errorf("an agent runs with %v", args)
		}
		what, name := strings.TrimPrefix(args[len(args)-2], "--"), strings.TrimSuffix(args[len(args)-1], "=x")
		p.says(out, strings.TrimSuffix(what, "-id")+": ", `"`+name+`"`)
	}
}

// ask asks the API for a plan.
func (p *project) ask(n named) error {
	p.Helper()
	_, err := p.c.Client.Apply(p.ctx(), n.project, client.Apply{Document: n.String(), DryRun: true}, client.Write{})
	return err
}
