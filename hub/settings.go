package hub

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/hub/internal/api"
)

// settings are what the hub runs with, for people who look for what is wrong.
// Each is named here: one that is secret never gets there by itself.
func (o Options) settings() []api.Setting {
	return []api.Setting{
		{Name: "config", Value: o.Config},
		{Name: "state-dir", Value: o.StateDir},
		{Name: "mqtts", Value: o.MQTTS},
		{Name: "https", Value: o.HTTPS},
		{Name: "name", Value: strings.Join(o.Names, " ")},
		{Name: "tls-cert", Value: o.TLSCert},
		{Name: "tls-key", Value: o.TLSKey},
		{Name: "master-key", Value: o.masterKey()},
		{Name: "host-cert-life", Value: o.HostLife.String()},
		{Name: "mqtt", Value: o.MQTT},
		{Name: "http", Value: o.HTTP},
		{Name: "socket", Value: o.Socket},
		{Name: "session", Value: o.Session.String()},
		{Name: "insecure-listen-without-authentication", Value: fmt.Sprint(o.InsecureListen)},
		{Name: "debug-addr", Value: o.Debug.Addr},
		{Name: "insecure-debug-without-authentication", Value: fmt.Sprint(o.Debug.Insecure)},
		{Name: "require-store", Value: fmt.Sprint(o.RequireStore)},
		{Name: "events-kept", Value: fmt.Sprint(o.EventsKept)},
		{Name: "lost-after", Value: o.Turn.LostAfter.String()},
		{Name: "unknown-for", Value: o.Turn.UnknownFor.String()},
		{Name: "grace", Value: o.Turn.Grace.String()},
		{Name: "unreachable-after", Value: o.Turn.UnreachableAfter.String()},
		{Name: "log-level", Value: o.LogLevel},
		{Name: "log-format", Value: o.LogFormat},
	}
}
