//go:build e2e

package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/shared/fleet"
)

// networksOf lists the engine's networks that begin with "shop_".
func networksOf(t *testing.T) string {
	t.Helper()
	names := strings.Fields(docker(t, "network", "ls", "--filter", "name=shop_", "--format", "{{.Name}}"))
	slices.Sort(names)
	return strings.Join(names, " ")
}

func onNetworks(networks ...fleet.Network) func(*brain.Create) {
	return func(c *brain.Create) {
		c.Spec.Networks = networks
		c.Spec.Publish, c.Ports = nil, nil
	}
}

// TestNetworks: a container is on its networks under its names, others reach it by
// the host's port, and the networks go with the last container that has them.
func TestNetworks(t *testing.T) {
	e := newEngine(t, engine.Options{})
	front := fleet.Network{Name: "shop_front", Aliases: []string{"web", "www"}, Options: map[string]string{"com.docker.network.driver.mtu": "1400"}}
	back := fleet.Network{Name: "shop_back", Aliases: []string{"web"}, Internal: true}
	made := do(t, e, order("1a", func(c *brain.Create) { c.Spec.Networks = []fleet.Network{front, back} })).Container
	if !slices.Equal(made.Snapshot.Networks, []string{"shop_back", "shop_front"}) {
		t.Fatalf("made %+v", made.Snapshot)
	}
	do(t, e, on(brain.OpStart, "1a", made.ID))
	if got := get(t, "20001", "/args"); got != "/app default" {
		t.Errorf("it answers %q", got)
	}
	labels := docker(t, "network", "inspect", "shop_front", "--format", "{{json .Labels}} {{json .Options}}")
	for _, want := range []string{`"muster.lineage":"lineage-1"`, `"muster.host":"web1"`, `"muster.project":"shop"`, `"com.docker.network.driver.mtu":"1400"`} {
		if !strings.Contains(labels, want) {
			t.Errorf("the network has %s, not %s", labels, want)
		}
	}
	waiting := do(t, e, order("1b", onNetworks(back))).Container // and isn't started

	docker(t, "network", "disconnect", "shop_front", made.ID)
	snapshot := made.Snapshot
	do(t, e, brain.Op{Kind: brain.OpRestore, Instance: "1a", Container: made.ID, Snapshot: &snapshot, Networks: []fleet.Network{front, back}})
	var aliases []string
	if err := json.Unmarshal([]byte(docker(t, "inspect", made.ID, "--format", `{{json .NetworkSettings.Networks.shop_front.Aliases}}`)), &aliases); err != nil || !slices.Contains(aliases, "www") {
		t.Errorf("put back with %v, %v", aliases, err)
	}

	do(t, e, on(brain.OpStop, "1a", made.ID))
	do(t, e, on(brain.OpRemove, "1a", made.ID))
	if got := networksOf(t); got != "shop_back" {
		t.Errorf("while a container waits for its start there are %q", got)
	}
	do(t, e, on(brain.OpStart, "1b", waiting.ID))
	do(t, e, on(brain.OpStop, "1b", waiting.ID))
	do(t, e, on(brain.OpRemove, "1b", waiting.ID))
	if got := networksOf(t); got != "" {
		t.Errorf("left are %q", got)
	}
}

// TestManyAtOnce need the same network: there is one.
func TestManyAtOnce(t *testing.T) {
	e := newEngine(t, engine.Options{})
	group := errgroup.Group{}
	for i := range 8 {
		group.Go(func() error {
			instance := fmt.Sprint(i, "a")
			if r := e.Do(t.Context(), order(instance, onNetworks(fleet.Network{Name: "shop_many"}))); r.Problem != "" {
				return errors.New(r.Problem)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if got := networksOf(t); got != "shop_many" {
		t.Errorf("there are %q", got)
	}
	// As an engine may be left by one that was asked twice.
	secondNetwork(t, "shop_many")
	if r := e.Do(t.Context(), order("9a", onNetworks(fleet.Network{Name: "shop_many"}))); r.Problem != "" {
		t.Error(r.Problem)
	}
	for _, c := range containers(t, e) {
		do(t, e, on(brain.OpRemove, c.Labels[brain.LabelInstance], c.ID))
	}
	if got := networksOf(t); got != "" {
		t.Errorf("left are %q", got)
	}
}

// secondNetwork makes one more network of a name, which the docker command wouldn't.
func secondNetwork(t *testing.T, name string) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", host.DockerSocket)
	}
	body := fmt.Sprintf(`{"Name": %q, "Labels": {"muster.lineage": %q, "muster.host": %q, "muster.project": "shop"}}`, name, lineage, host.Name)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://engine/v1.41/networks/create", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Transport{DialContext: dial, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil || response.Body.Close() != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%+v, %v", response, err)
	}
	if got := networksOf(t); got != name+" "+name {
		t.Fatalf("there are %q", got)
	}
}

// TestNetworksOfOthers are used where that is said, and never made or removed.
func TestNetworksOfOthers(t *testing.T) {
	e := newEngine(t, engine.Options{})
	t.Cleanup(func() { docker(t, "network", "rm", "shop_theirs") })
	docker(t, "network", "create", "shop_theirs")
	wrong := func(want string, n fleet.Network) {
		t.Helper()
		if r := e.Do(t.Context(), order("1a", onNetworks(n))); !strings.Contains(r.Problem, want) {
			t.Errorf("%+v: %+v", n, r)
		}
	}
	wrong("somebody else's", fleet.Network{Name: "shop_theirs"})
	wrong("docker network create shop_lost", fleet.Network{Name: "shop_lost", External: true})
	id := run(t, e, "1a", onNetworks(fleet.Network{Name: "shop_theirs", External: true}))
	other := run(t, e, "1b", onNetworks(fleet.Network{Name: "shop_ours"}))
	wrong("with other settings", fleet.Network{Name: "shop_ours", Internal: true})
	for instance, id := range map[string]string{"1a": id, "1b": other} {
		do(t, e, on(brain.OpStop, instance, id))
		do(t, e, on(brain.OpRemove, instance, id))
	}
	if got := networksOf(t); got != "shop_theirs" {
		t.Errorf("left are %q", got)
	}
}

// TestOnTheHost: container ports are the host's.
func TestOnTheHost(t *testing.T) {
	e := newEngine(t, engine.Options{})
	id := run(t, e, "1a", func(c *brain.Create) {
		c.Spec.NetworkMode = fleet.NetworkHost
		c.Spec.Publish[0].HostPort = 8080
		c.Hosts = map[string][]string{"board": {"10.9.8.7"}}
	})
	if got := get(t, "8080", "/args"); got != "/app default" {
		t.Errorf("it answers %q", got)
	}
	if c := find(t, e, id); !slices.Equal(c.Snapshot.Networks, []string{"host"}) {
		t.Errorf("it is on %v", c.Snapshot.Networks)
	}
	if _, hosts := read(t, "8080", "/etc/hosts"); !strings.Contains(hosts, "10.9.8.7") {
		t.Errorf("it knows %s", hosts)
	}
}

// TestHowContainersRun: what the engine was told is what it says.
func TestHowContainersRun(t *testing.T) {
	e := newEngine(t, engine.Options{})
	id := run(t, e, "1a", func(c *brain.Create) {
		c.Hosts = map[string][]string{"db": {"10.9.8.7"}, "board": {"10.9.8.6"}}
		c.Spec.Runtime = &fleet.Runtime{
			WorkingDir: "/tmp", Hostname: "fixed", ReadOnly: true, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"}, Init: new(true),
			Devices: []fleet.Device{{Source: "/dev/null", Target: "/dev/nothing", Permissions: "r"}},
			Ulimits: map[string]fleet.Ulimit{"core": {Soft: 100, Hard: 200}}, Sysctls: map[string]string{"net.ipv4.ip_unprivileged_port_start": "80"},
			Tmpfs: map[string]string{"/run/app": "size=1m"}, ShmSize: 1 << 20, SecurityOpt: []string{"no-new-privileges"}, GroupAdd: []string{"44"},
			ExtraHosts: map[string][]string{"db": {"10.0.0.9"}}, DNS: []string{"10.0.0.53"}, Logging: &fleet.Logging{Driver: "json-file", Options: map[string]string{"max-size": "1m"}},
			CPUShares: 512, OOMScoreAdj: 300, PID: "host", UTS: "",
		}
	})
	got := docker(t, "inspect", id, "--format", `{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}} {{.HostConfig.Init}} {{.HostConfig.ShmSize}} {{.HostConfig.GroupAdd}} {{.HostConfig.LogConfig.Type}} {{.HostConfig.CpuShares}} {{.HostConfig.OomScoreAdj}} {{.HostConfig.PidMode}} {{.Config.WorkingDir}} {{.Config.Hostname}}`)
	if got != "true [CAP_NET_ADMIN] [ALL] true 1048576 [44] json-file 512 300 host /tmp fixed" {
		t.Errorf("the engine says %s", got)
	}
	if status := write(t, "20001", "/anywhere", "x"); status == 200 {
		t.Error("its root file system can be written to")
	}
	if status := write(t, "20001", "/run/app/here", "x"); status != 200 {
		t.Errorf("its tmpfs can't be written to: %d", status)
	}
	if _, hosts := read(t, "20001", "/etc/hosts"); !strings.Contains(hosts, "10.0.0.9\tdb") || strings.Contains(hosts, "10.9.8.7") || !strings.Contains(hosts, "10.9.8.6\tboard") {
		t.Errorf("it knows %s", hosts)
	}
	if _, limits := read(t, "20001", "/proc/self/limits"); !strings.Contains(strings.Join(strings.Fields(limits), " "), "Max core file size 100 200") {
		t.Errorf("its limits are %s", limits)
	}
	r := e.Do(t.Context(), order("1b", func(c *brain.Create) {
		onNetworks()(c)
		c.Spec.Runtime = &fleet.Runtime{Annotations: map[string]string{"a": "b"}}
	}))
	if r.Problem != "" && (!r.Permanent || !strings.Contains(r.Problem, "annotations")) || r.Problem == "" && !strings.Contains(docker(t, "inspect", r.Container.ID), `"Annotations"`) {
		t.Errorf("annotations: %+v", r)
	}
}
