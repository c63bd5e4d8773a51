package broker

import (
	"strings"

	"github.com/musterhq/muster/hub/policy"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

type role uint8

const (
	roleUnknown role = iota
	roleAgent
	roleReader // a person or a program
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
	id      string          // of the session; an agent's is its host's id
	machine string          // agents only
	prefix  string          // agents only: "muster/v1/hosts/<id>/"
	by      fleet.Principal // readers only
	may     policy.Subject
}

func (i *identity) agent(host string) {
	i.role, i.id, i.prefix, i.may = roleAgent, host, wire.Host(host, ""), policy.For(policy.Host, host)
}

// reader's sessions have ids that no host can have and nobody else: who connects
// under another's client id takes nothing over.
func (i *identity) reader(by fleet.Principal, client string) {
	i.role, i.id, i.by, i.may = roleReader, "~"+by.Name+"~"+client, by, policy.For(by.Role, "")
}

// account is a reader's, also of who came by one of its tokens.
func (i *identity) account() string {
	name, _, _ := strings.Cut(i.by.Name, "/")
	return name
}

// anybody: at an open door nobody has an account.
func (i *identity) anybody() bool { return i.by.Name == nobody }

// mayPublish says whether a message is taken. Like mayRead it runs for every
// message and allocates nothing.
func (i *identity) mayPublish(topic string) bool {
	if len(topic) > maxTopic || !i.may.MayWrite(topic) {
		return false
	}
	if i.role != roleAgent {
		return true
	}
	ask, isResult := strings.CutPrefix(topic[len(i.prefix):], wire.LeafResult+"/")
	return !isResult || ask != "" && len(ask) <= maxAskID
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

// mayRead answers for filters at subscription and for topics at delivery.
func (i *identity) mayRead(topic string) bool {
	return len(topic) <= maxTopic && strings.Count(topic, "/") <= maxSlashes && i.may.MayRead(topic)
}

// publishable says whether the hub itself may publish to topic.
func publishable(topic string) bool {
	return len(topic) <= maxTopic && strings.HasPrefix(topic, wire.Root+"/") && !strings.ContainsAny(topic, "+#\x00")
}

// isCommand says whether topic carries commands, which are never retained: a
// retained one would be carried out again at every start of the hub.
func isCommand(topic string) bool { return strings.HasSuffix(topic, "/command") }

// orders says whether a reader gives an order. Those of who may not are read as
// well, to be refused in words.
func (i *identity) orders(topic string) bool {
	return i.role == roleReader && len(topic) <= maxTopic && anybodysOrder.MayWrite(topic)
}

var anybodysOrder = policy.For(fleet.RoleAdmin, "")

// logKey is the key of the id in the log: an agent's is its host's.
func (i *identity) logKey() string {
	if i.role == roleAgent {
		return "host"
	}
	return "client"
}
