package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestTopics(t *testing.T) {
	for got, want := range map[string]string{
		wire.Host("web1", wire.LeafDesired):    "muster/v1/hosts/web1/desired",
		wire.Pool("web1", web):                 "muster/v1/hosts/web1/pools/shop/web",
		wire.EventTopic(fleet.EventHostJoined): "muster/v1/events/muster.host.joined",
		wire.HubState:                          "muster/v1/hub/state",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHostTopic(t *testing.T) {
	for _, test := range []struct {
		topic, host, leaf, rest string
		ok                      bool
	}{
		{wire.Host("web1", wire.LeafActual), "web1", "actual", "", true},
		{wire.Pool("web1", web), "web1", "pools", "shop/web", true},
		{wire.Host("web1", wire.LeafResult) + "/ask-1", "web1", "result", "ask-1", true},
		{"muster/v1/hosts/web1/", "web1", "", "", true},
		{"muster/v1/hosts/web1", "", "", "", false},
		{"muster/v1/hosts//actual", "", "", "", false},
		{"muster/v1/hosts/Web1/actual", "", "", "", false},
		{"muster/v1/hosts/+/actual", "", "", "", false},
		{"muster/v2/hosts/web1/actual", "", "", "", false},
		{wire.HubState, "", "", "", false},
		{"", "", "", "", false},
	} {
		host, leaf, rest, ok := wire.HostTopic(test.topic)
		if host != test.host || leaf != test.leaf || rest != test.rest || ok != test.ok {
			t.Errorf("%s: %q %q %q %v", test.topic, host, leaf, rest, ok)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	good, err := wire.Seal("lineage", 1, 2, fleet.Ack{Session: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, payload, path string }{
		{"nothing", "", "payload"},
		{"too much", strings.Repeat(" ", wire.MaxMessage+1), "payload"},
		{"no JSON", "rubbish", "payload"},
		{"no version", strings.Replace(string(good), `"v":1`, `"v":0`, 1), "payload.v"},
		{"another body", strings.Replace(string(good), `"session":"s"`, `"session":"t"`, 1), "payload.sum"},
		{"no body", `{"v":1,"sum":""}`, "payload.sum"},
		{"a body of another kind", string(seal(t, `[]`)), "payload.body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := wire.Open([]byte(test.payload), &fleet.Ack{})
			refused, ok := err.(*fleet.Error)
			if !ok || refused.Code != fleet.CodeInvalid || refused.Path != test.path {
				t.Errorf("got %v, want an error at %s", err, test.path)
			}
		})
	}
}

// TestOpenReadsWhatComesLater: fields that this program doesn't know are in
// the sum, and left alone.
func TestOpenReadsWhatComesLater(t *testing.T) {
	var ack fleet.Ack
	env, err := wire.Open(seal(t, `{"session":"s","later":true}`), &ack)
	if err != nil || ack.Session != "s" || env.Generation != 2 || env.Lineage != "lineage" || env.Epoch != 1 {
		t.Errorf("%+v, %+v, %v", env, ack, err)
	}
	newer := bytes.Replace(seal(t, `{"session":"s"}`), []byte(`"v":1`), []byte(`"v":2,"later":1`), 1)
	if _, err := wire.Open(newer, &ack); err != nil {
		t.Errorf("a later envelope: %v", err)
	}
}

func seal(t *testing.T, body string) []byte {
	t.Helper()
	payload, err := wire.SealRaw("lineage", 1, 2, json.RawMessage(body))
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestTopicsOfCommands(t *testing.T) {
	for topic, want := range map[string]string{
		wire.HostCommand("web1"):               "web1 ",
		wire.ServiceCommand(web):               " shop/web",
		wire.HostCommand("web1") + "/":         "",
		wire.HostCommand("web1") + "/x":        "",
		wire.HostResult("web1", "command"):     "",
		wire.ServiceCommand(web) + "/x":        "",
		wire.ServiceStatus(web):                "",
		wire.HostCommand("WEB1"):               "",
		wire.Root + "/services/shop/command":   "",
		wire.Root + "/services/a/b/c/command":  "",
		wire.Root + "/services/shop/#/command": "",
		"muster/v1/hosts/+/command":            "",
	} {
		host, service, ok := wire.CommandTopic(topic)
		got := ""
		if ok {
			text, _ := service.MarshalText()
			got = host + " " + string(text)
		}
		if got != want {
			t.Errorf("%s is about %q, want %q", topic, got, want)
		}
	}
	if got := wire.HostResult("web1", "r1") + " " + wire.ServiceResult(web, "r1"); got != "muster/v1/hosts/web1/result/r1 muster/v1/services/shop/web/result/r1" {
		t.Errorf("results are on %s", got)
	}
}
