package broker

import (
	"strings"

	"github.com/musterhq/muster/shared/wire"
)

type role uint8

const (
	roleUnknown role = iota
	roleAgent
	roleReader
)

func (r role) String() string {
	switch r {
	case roleAgent:
		return "agent"
	case roleReader:
		return "reader"
	}
	return "unknown"
}

// identity is who a connection turned out to be. It is set once, before the
// session begins.
type identity struct {
	role    role
	id      string // client id; an agent's is its host's id
	machine string // agents only
	prefix  string // agents only: "muster/v1/hosts/<id>/"
}

// mayPublish allows an agent exactly the topics that are its own to write.
// Like mayRead it runs for every message and allocates nothing.
func (i *identity) mayPublish(topic string) bool {
	if i.role != roleAgent || len(topic) > maxTopic {
		return false
	}
	path, own := strings.CutPrefix(topic, i.prefix)
	if !own {
		return false
	}
	switch path {
	case wire.LeafActual, wire.LeafPresence, wire.LeafEvents, wire.LeafMetrics:
		return true
	}
	ask, isResult := strings.CutPrefix(path, wire.LeafResult+"/")
	return isResult && ask != "" && len(ask) <= maxAskID && strings.IndexByte(ask, '/') < 0
}

// isNews says whether a topic is one that an agent of a later release may have
// something to say on: its own, and of a kind that this hub doesn't know. Refused,
// the agent would be cut off each time; so it is confirmed, and left unread.
func (i *identity) isNews(topic string) bool {
	if i.role != roleAgent || len(topic) > maxTopic {
		return false
	}
	path, own := strings.CutPrefix(topic, i.prefix)
	if !own || path == "" || strings.IndexByte(path, '/') >= 0 || isCommand(topic) {
		return false
	}
	switch path {
	case wire.LeafDesired, wire.LeafAck, wire.LeafAsk, wire.LeafPools, wire.LeafResult:
		return false // the hub's, or not whole
	}
	return !i.mayPublish(topic)
}

// mayRetain says which of its topics an agent may keep on the broker.
func (i *identity) mayRetain(topic string) bool {
	path, own := strings.CutPrefix(topic, i.prefix)
	return own && (path == wire.LeafActual || path == wire.LeafPresence)
}

// mayRead answers for filters at subscription and for topics at delivery.
func (i *identity) mayRead(topic string) bool {
	if len(topic) > maxTopic || strings.Count(topic, "/") > maxSlashes {
		return false
	}
	switch i.role {
	case roleAgent:
		return i.agentMayRead(topic)
	case roleReader:
		return readerMayRead(topic)
	}
	return false
}

func (i *identity) agentMayRead(topic string) bool {
	path, own := strings.CutPrefix(topic, i.prefix)
	if !own {
		return false
	}
	switch path {
	case wire.LeafDesired, wire.LeafAck, wire.LeafAsk:
		return true
	}
	pool, isPool := strings.CutPrefix(path, wire.LeafPools+"/")
	if !isPool || strings.IndexByte(pool, '#') >= 0 {
		return false
	}
	project, service, found := strings.Cut(pool, "/")
	return found && project != "" && service != "" && strings.IndexByte(service, '/') < 0
}

// readerMayRead allows everything below the root except hosts/<id>/desired,
// which holds environments, and hosts/<id>/ask. A wildcard that covers them
// is allowed: what it matches is filtered at delivery.
func readerMayRead(topic string) bool {
	path, below := strings.CutPrefix(topic, wire.Root+"/")
	if !below {
		return false
	}
	host, isHost := strings.CutPrefix(path, "hosts/")
	if !isHost {
		return true
	}
	_, path, found := strings.Cut(host, "/")
	if !found {
		return true
	}
	leaf, _, _ := strings.Cut(path, "/")
	return leaf != wire.LeafDesired && leaf != wire.LeafAsk
}

// publishable says whether the hub itself may publish to topic.
func publishable(topic string) bool {
	return len(topic) <= maxTopic && strings.HasPrefix(topic, wire.Root+"/") && !strings.ContainsAny(topic, "+#\x00")
}

// isCommand says whether topic carries commands, which are never retained: a
// retained one would be carried out again at every start of the hub.
func isCommand(topic string) bool { return strings.HasSuffix(topic, "/command") }

// logKey is the key of the id in the log: an agent's is its host's.
func (i *identity) logKey() string {
	if i.role == roleAgent {
		return "host"
	}
	return "client"
}
