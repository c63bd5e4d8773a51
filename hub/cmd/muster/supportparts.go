package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/hub/cmd/muster/support"
	"github.com/musterhq/muster/shared/buildinfo"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
)

// Bounds of what is asked for one by one, so that a large fleet isn't kept
// busy by a dump.
const (
	maxDetails = 50 // services that are told in full
	maxAgents  = 20 // hosts whose agents' logs are read
)

// gather fills a dump: first what is there whatever the fleet is, then what
// that leads to.
func (s *session) gather(ctx context.Context, dump *support.Dump) error {
	raw := func(name, path string) support.Source {
		return support.Source{Name: name, Read: func(ctx context.Context) ([]byte, error) { return s.hub.Raw(ctx, path, nil) }}
	}
	err := dump.Gather(ctx, []support.Source{
		{Name: "client.json", Read: s.aboutClient},
		raw("hub/version.json", "/v1/version"),
		raw("hub/ready.txt", "/readyz"),
		raw("hub/settings.json", "/v1/hub/settings"),
		raw("hub/metrics.txt", "/metrics"),
		{Name: "hub/log.txt", Read: s.logSince("/v1/hub/log", dump.Since)},
		{Name: "hub/goroutines.txt", Read: s.profile("goroutine?debug=2")},
		{Name: "hub/heap.pb.gz", Read: s.profile("heap")},
		raw("fleet/services.json", "/v1/services"),
		raw("fleet/instances.json", "/v1/instances"),
		raw("fleet/hosts.json", "/v1/hosts"),
		raw("fleet/balancers.json", "/v1/balancers"),
		{Name: "fleet/events.json", Read: s.eventsSince(dump.Since)},
	})
	if err != nil {
		return err
	}
	return dump.Gather(ctx, append(s.troubled(ctx), s.agentLogs(ctx, dump.Since)...))
}

// aboutClient is what this program runs with. Of the environment it names what
// it would heed.
func (s *session) aboutClient(context.Context) ([]byte, error) {
	environment := map[string]string{}
	for _, variable := range s.environ {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "MUSTER_") || slices.Contains([]string{"NO_COLOR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "LANG", "TZ"}, name) {
			environment[name] = value
		}
	}
	return json.Marshal(map[string]any{
		"version": buildinfo.String(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
		"hub": s.hub.URL(), "heeds": environment,
	})
}

func (s *session) eventsSince(since time.Time) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		list, err := s.hub.Events(ctx, client.EventFilter{Limit: maxEvents})
		if err != nil {
			return nil, err
		}
		list.Items = slices.DeleteFunc(list.Items, func(e fleet.Event) bool { return e.Time.Before(since) })
		return json.Marshal(list)
	}
}

// logSince reads a log without the lines before a time. What has no time
// belongs to the line before it.
func (s *session) logSince(path string, since time.Time) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		log, err := s.hub.Raw(ctx, path, nil)
		if err != nil {
			return nil, err
		}
		var kept bytes.Buffer
		old := false
		for line := range bytes.Lines(log) {
			if text, timed := bytes.CutPrefix(line, []byte("time=")); timed {
				stamp, _, _ := bytes.Cut(text, []byte(" "))
				at, err := time.Parse(time.RFC3339, string(stamp))
				old = err == nil && at.Before(since)
			}
			if !old {
				kept.Write(line)
			}
		}
		return kept.Bytes(), nil
	}
}

// profile reads one of the hub's, from where its settings say that they are.
func (s *session) profile(name string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		address, err := s.debugAddr(ctx)
		if err != nil {
			return nil, err
		}
		// By that address there is another program on any other machine.
		if hub, err := url.Parse(s.hub.URL()); err == nil && reach.Loopback(hostOf(address)) && !reach.Loopback(hub.Hostname()) {
			return nil, fmt.Errorf("the hub's --debug-addr %s is for its own machine: run this there, with --hub http://127.0.0.1:…", address)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/debug/pprof/"+name, http.NoBody)
		if err != nil {
			return nil, fmt.Errorf("ask for the profile: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, fmt.Errorf("reach the hub's --debug-addr %s from here: %w", address, err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the hub's --debug-addr %s answers %s", address, response.Status)
		}
		return io.ReadAll(io.LimitReader(response.Body, 64<<20))
	}
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address) // the hub listens there
	return host
}

func (s *session) debugAddr(ctx context.Context) (string, error) {
	raw, err := s.hub.Raw(ctx, "/v1/hub/settings", nil)
	if err != nil {
		return "", err
	}
	var body struct {
		Settings []struct{ Name, Value string } `json:"settings"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return "", fmt.Errorf("read the hub's settings: %w", err)
	}
	for _, setting := range body.Settings {
		if setting.Name == "debug-addr" && setting.Value != "" {
			return setting.Value, nil
		}
	}
	return "", fmt.Errorf("the hub was started without --debug-addr")
}

// troubled are the services that aren't converged, or whose new version was no
// good, with what belongs to them.
func (s *session) troubled(ctx context.Context) (sources []support.Source) {
	list, err := s.hub.Services(ctx, "")
	if err != nil {
		return []support.Source{missing("fleet/details.txt", err)}
	}
	services := 0
	for _, view := range list.Items {
		takenBack := view.Rollout != nil && view.Rollout.State == fleet.RolloutRolledBack
		if (view.State == fleet.ServiceConverged || view.State == fleet.ServiceCompleted) && !takenBack || services == maxDetails {
			continue
		}
		services++
		path := "/v1/projects/" + url.PathEscape(view.Key.Project) + "/services/" + url.PathEscape(view.Key.Name)
		parts := map[string]string{"service": path, "pools": path + "/pools", "versions": path + "/versions"}
		if view.Rollout != nil {
			parts["rollout"] = path + "/rollout"
		}
		for name, path := range parts {
			sources = append(sources, support.Source{
				Name: "fleet/" + view.Key.String() + "/" + name + ".json",
				Read: func(ctx context.Context) ([]byte, error) { return s.hub.Raw(ctx, path, nil) },
			})
		}
	}
	return sources
}

// agentLogs asks hosts for the end of their agents' logs, those first that
// aren't as they should be.
func (s *session) agentLogs(ctx context.Context, since time.Time) (sources []support.Source) {
	list, err := s.hub.Hosts(ctx)
	if err != nil {
		return []support.Source{missing("hosts/log.txt", err)}
	}
	hosts := slices.DeleteFunc(list.Items, func(v fleet.HostView) bool { return v.Status.State != fleet.HostUp })
	slices.SortStableFunc(hosts, func(a, b fleet.HostView) int { return distance(b) - distance(a) })
	for i, host := range hosts {
		if i == maxAgents {
			return append(sources, missing("hosts/more.txt", fmt.Errorf("the logs of %d more agents aren't asked for", len(hosts)-maxAgents)))
		}
		sources = append(sources, support.Source{
			Name: "hosts/" + host.ID + "/log.txt", Read: s.logSince("/v1/hosts/"+url.PathEscape(host.ID)+"/log", since),
		})
	}
	return sources
}

// missing is what can't be had, or isn't asked for.
func missing(name string, why error) support.Source {
	return support.Source{Name: name, Read: func(context.Context) ([]byte, error) { return nil, why }}
}

// distance is how far a host is from what was asked of it.
func distance(v fleet.HostView) int {
	far := v.Instances - v.Ready
	if !v.Engine.Up || v.Observed.Generation != v.DesiredGeneration {
		far++
	}
	return far
}
