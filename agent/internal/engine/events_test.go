package engine

import (
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"github.com/musterhq/muster/agent/brain"
)

func TestReadEvent(t *testing.T) {
	for name, c := range map[string]struct {
		message events.Message
		want    brain.Noticed
	}{
		"death":   {events.Message{Type: "container", Action: "die", Actor: events.Actor{ID: "c1", Attributes: map[string]string{"exitCode": "1"}}}, brain.Noticed{Container: "c1", Action: "die"}},
		"signal":  {events.Message{Type: "container", Action: "kill", Actor: events.Actor{ID: "c1", Attributes: map[string]string{"signal": "15"}}}, brain.Noticed{Container: "c1", Action: "kill", Signal: 15}},
		"details": {events.Message{Type: "container", Action: "health_status: healthy", Actor: events.Actor{ID: "c1"}}, brain.Noticed{Container: "c1", Action: "health_status"}},
		"network": {events.Message{Type: "network", Action: "connect", Actor: events.Actor{ID: "n1", Attributes: map[string]string{"container": "c1"}}}, brain.Noticed{Container: "c1", Action: "connect"}},
	} {
		if got := readEvent(&c.message); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestSignalNumber(t *testing.T) {
	for text, want := range map[string]int{"15": 15, "SIGQUIT": 3, "quit": 3, "": 0, "SIGNOT": 0} {
		if got := signalNumber(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	c, err := fromInspect(&container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{}, HostConfig: &container.HostConfig{}},
		Config:            &container.Config{StopSignal: "SIGQUIT"},
	})
	if err != nil || c.StopSignal != 3 {
		t.Errorf("%+v, %v", c, err)
	}
}
