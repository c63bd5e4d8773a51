package engine

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"github.com/musterhq/muster/agent/brain"
)

// FuzzDemultiplexer: no more comes out of a stream than went in, and each piece
// as it was.
func FuzzDemultiplexer(f *testing.F) {
	f.Add(piece(1, "out"))
	f.Add(append(piece(2, ""), piece(1, "a\nb")...))
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x'})
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, _ := io.ReadAll(&demultiplexer{stream: io.NopCloser(bytes.NewReader(stream))})
		if len(got) > len(stream) {
			t.Errorf("%d bytes out of %d", len(got), len(stream))
		}
		if len(stream) > 1<<16-1 {
			return
		}
		both := append(piece(1, string(stream)), piece(2, "end")...)
		got, err := io.ReadAll(&demultiplexer{stream: io.NopCloser(bytes.NewReader(both))})
		if err != nil || string(got) != string(stream)+"end" {
			t.Errorf("%q came out of %q, %v", got, both, err)
		}
	})
}

// FuzzInspect: an engine's answer is refused, or becomes a container whose
// ports are sorted and could be ports.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(`{"Id":"0a1b","Name":"/muster-shop-web-1-1c-1","Image":"sha256:1","Config":{"Labels":{"muster.host":"web1"},"StopSignal":"SIGQUIT"},
		"State":{"Status":"running","StartedAt":"2026-01-02T03:04:05.678Z","FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"healthy"}},
		"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"10.0.0.1","HostPort":"20001"}]},"Memory":1048576,"NanoCpus":1500000000,"PidsLimit":-1,"RestartPolicy":{"Name":"no"}},
		"NetworkSettings":{"Networks":{"bridge":{},"b":null}}}`))
	f.Add([]byte(`{"Config":{},"State":{},"HostConfig":{"CpuQuota":50000}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var answer container.InspectResponse
		if json.Unmarshal(data, &answer) != nil {
			return
		}
		c, err := fromInspect(&answer)
		if err != nil {
			return
		}
		for _, ports := range [][]int{c.HostPorts, listedPorts(c.HostPorts, []container.Port{{PublicPort: 80}, {}})} {
			if !slices.IsSorted(ports) || len(slices.Compact(slices.Clone(ports))) != len(ports) ||
				len(ports) > 0 && (ports[0] < 1 || ports[len(ports)-1] > 65535) {
				t.Errorf("ports %v", ports)
			}
		}
		if c.CPUs < 0 || c.StopSignal < 0 || c.Snapshot.PidsLimit < 0 || strings.HasPrefix(c.Name, "//") {
			t.Errorf("%+v", c)
		}
		if !c.StartedAt.IsZero() && c.StartedAt.Year() <= 1 {
			t.Errorf("began %v", c.StartedAt)
		}
		if told := foreign(&c); told.Name != "" || told.Snapshot.Name != "" {
			t.Errorf("of somebody else's container it is told %+v", told)
		}
		update, changed, _ := toUpdate(&c.Snapshot, &c.Snapshot)
		if changed {
			t.Errorf("as it was made it is to be changed: %+v", update)
		}
	})
}

// FuzzList: a container's key in the engine's list is the same for the same.
func FuzzList(f *testing.F) {
	f.Add([]byte(`[{"Id":"a","Names":["/a"],"State":"running","Status":"Up 5 minutes (healthy)","NetworkSettings":{"Networks":{"b":{"EndpointID":"1"},"a":null}}}]`))
	f.Add([]byte(`[{"Status":"Exited (137) 5 minutes ago"},{}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second []container.Summary
		if json.Unmarshal(data, &first) != nil || json.Unmarshal(data, &second) != nil {
			return
		}
		known := &cache{entries: map[string]entry{}}
		known.retain(first)
		for i := range first {
			if a, b := listKey(&first[i]), listKey(&second[i]); a != b {
				t.Errorf("%q and %q", a, b)
			}
			mine := ours(first[i].Labels, "l", "h")
			if mine && (first[i].Labels[brain.LabelLineage] != "l" || first[i].Labels[brain.LabelHost] != "h") {
				t.Errorf("%v are ours", first[i].Labels)
			}
		}
	})
}

// FuzzEvent: an event names a container of the engine's, and an action
// without its details.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"1"}}}`))
	f.Add([]byte(`{"Type":"container","Action":"kill","Actor":{"ID":"c1","Attributes":{"signal":"SIGTERM"}}}`))
	f.Add([]byte(`{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"c1"}}}`))
	f.Add([]byte(`{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"c1"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var message events.Message
		if json.Unmarshal(data, &message) != nil {
			return
		}
		noticed := readEvent(&message)
		if strings.Contains(noticed.Action, ":") || noticed.Container != message.Actor.ID && noticed.Container != message.Actor.Attributes["container"] {
			t.Errorf("%+v of %+v", noticed, message)
		}
	})
}

// FuzzProgress: a pull fails when its stream says so, or breaks off in the
// middle of a message.
func FuzzProgress(f *testing.F) {
	f.Add(`{"status":"Pulling"}` + "\r\n" + `{"status":"Downloading","progressDetail":{"current":1,"total":2}}` + "\r\n")
	f.Add(`{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}`)
	f.Add(`{"status":"Pul`)
	f.Fuzz(func(t *testing.T, stream string) {
		err := readProgress(strings.NewReader(stream))
		decoder, whole := json.NewDecoder(strings.NewReader(stream)), true
		for whole && decoder.More() {
			whole = decoder.Decode(&json.RawMessage{}) == nil
		}
		if !whole && err == nil {
			t.Errorf("%q went well", stream)
		}
		r := pullFailed(&brain.Op{Kind: brain.OpPull, Image: "web:1"}, "pull image web:1", errOr(err))
		if len(r.Problem) > maxProblem+len("…") || r.Problem == "" {
			t.Errorf("problem of %d bytes", len(r.Problem))
		}
	})
}

func errOr(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
