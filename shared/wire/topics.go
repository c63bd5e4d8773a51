// Package wire holds what travels over MQTT between hub and agents: topics,
// the envelope and its codec. Payloads are JSON and readable with
// mosquitto_sub.
package wire

import (
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Root is the versioned root of every topic.
const Root = "muster/v1"

const services = Root + "/services/"

// HubState is the topic on which the hub says who it is.
const HubState = Root + "/hub/state"

// Leaves of a host's topics: muster/v1/hosts/<id>/<leaf>.
const (
	LeafDesired  = "desired"  // hub to agent, retained
	LeafAck      = "ack"      // hub to agent
	LeafAsk      = "ask"      // hub to agent
	LeafActual   = "actual"   // agent to hub, retained
	LeafPresence = "presence" // agent to hub, retained; its Will too
	LeafEvents   = "events"   // agent to hub
	LeafMetrics  = "metrics"  // agent to hub
	LeafResult   = "result"   // agent to hub: result/<ask id>; hub to people: result/<command id>
	LeafCommand  = "command"  // people to hub
	LeafPools    = "pools"    // hub to agent, retained: pools/<project>/<service>
)

// Host returns the topic of one leaf of a host.
func Host(id, leaf string) string { return Root + "/hosts/" + id + "/" + leaf }

// Pool returns the topic of a service's pool for a host.
func Pool(host string, service fleet.ServiceKey) string {
	return Host(host, LeafPools) + "/" + service.String()
}

// ServiceStatus returns the topic on which the hub says how a service is.
func ServiceStatus(service fleet.ServiceKey) string {
	return services + service.String() + "/status"
}

// HostCommand returns the topic of commands about a host.
func HostCommand(id string) string { return Host(id, LeafCommand) }

// ServiceCommand returns the topic of commands about a service.
func ServiceCommand(service fleet.ServiceKey) string {
	return services + service.String() + "/" + LeafCommand
}

// HostResult returns the topic on which the hub says what became of a command
// about a host.
func HostResult(id, command string) string { return Host(id, LeafResult) + "/" + command }

// ServiceResult returns the same of a command about a service.
func ServiceResult(service fleet.ServiceKey, command string) string {
	return services + service.String() + "/" + LeafResult + "/" + command
}

// CommandTopic says whom the commands on a topic are about: a host, or a
// service. ok is false for other topics.
func CommandTopic(topic string) (host string, service fleet.ServiceKey, ok bool) {
	if id, leaf, rest, isHost := HostTopic(topic); isHost {
		return id, service, leaf == LeafCommand && rest == "" && topic == HostCommand(id)
	}
	name, isService := strings.CutPrefix(topic, services)
	name, isCommand := strings.CutSuffix(name, "/"+LeafCommand)
	key, err := fleet.ParseServiceKey(name)
	if !isService || !isCommand || err != nil {
		return "", fleet.ServiceKey{}, false
	}
	return "", key, true
}

// EventTopic returns the topic on which the hub publishes events of a type.
func EventTopic(eventType string) string { return Root + "/events/" + eventType }

// HostTopic splits a host's topic into the id, the leaf and what follows the
// leaf ("" or "project/service" or an ask's id). ok is false for other topics.
func HostTopic(topic string) (host, leaf, rest string, ok bool) {
	tail, found := strings.CutPrefix(topic, Root+"/hosts/")
	if !found {
		return "", "", "", false
	}
	host, tail, found = strings.Cut(tail, "/")
	if !found || fleet.ValidateHost(host) != nil {
		return "", "", "", false
	}
	leaf, rest, _ = strings.Cut(tail, "/")
	return host, leaf, rest, true
}
