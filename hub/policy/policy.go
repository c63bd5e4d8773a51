// Package policy is who may read and write which topics: one table, by which the
// hub's broker decides and from which the lists of other brokers are made. It is
// pure.
package policy

import (
	"strings"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Host is what an agent is, beside the roles that people have.
const Host fleet.Role = "host"

// Access is what a rule is about.
type Access uint8

// Kinds of access.
const (
	Read   Access = iota // subscribe, and be sent
	Write                // publish
	Retain               // publish what the broker keeps; Write as well
)

func (a Access) String() string { return [...]string{"read", "write", "retain"}[a] }

// Rule allows or denies those of one role one kind of access to topics. What no
// rule allows is denied, and what one denies, none allows.
type Rule struct {
	Role   fleet.Role
	Access Access
	// Topics below wire.Root: %h stands for the host's own id, + for one level,
	// # at the end for all that follow, none included.
	Topics string
	Deny   bool
}

// Rules is the table. People of a role may what those of lesser ones may.
var Rules = []Rule{
	{Role: Host, Access: Read, Topics: "hosts/%h/" + wire.LeafDesired},
	{Role: Host, Access: Read, Topics: "hosts/%h/" + wire.LeafAck},
	{Role: Host, Access: Read, Topics: "hosts/%h/" + wire.LeafAsk},
	{Role: Host, Access: Read, Topics: "hosts/%h/" + wire.LeafPools + "/+/+"},
	{Role: Host, Access: Retain, Topics: "hosts/%h/" + wire.LeafActual},
	{Role: Host, Access: Retain, Topics: "hosts/%h/" + wire.LeafPresence},
	{Role: Host, Access: Write, Topics: "hosts/%h/" + wire.LeafEvents},
	{Role: Host, Access: Write, Topics: "hosts/%h/" + wire.LeafMetrics},
	{Role: Host, Access: Write, Topics: "hosts/%h/" + wire.LeafResult + "/+"},

	// Desired has environments and, encrypted, secrets; ask has the one-time
	// names of streams.
	{Role: fleet.RoleViewer, Access: Read, Topics: "#"},
	{Role: fleet.RoleViewer, Access: Read, Topics: "hosts/+/" + wire.LeafDesired + "/#", Deny: true},
	{Role: fleet.RoleViewer, Access: Read, Topics: "hosts/+/" + wire.LeafAsk + "/#", Deny: true},

	{Role: fleet.RoleOperator, Access: Read, Topics: "#"},
	{Role: fleet.RoleOperator, Access: Read, Topics: "hosts/+/" + wire.LeafDesired + "/#", Deny: true},
	{Role: fleet.RoleOperator, Access: Read, Topics: "hosts/+/" + wire.LeafAsk + "/#", Deny: true},
	{Role: fleet.RoleOperator, Access: Write, Topics: "hosts/+/command"},
	{Role: fleet.RoleOperator, Access: Write, Topics: "services/+/+/command"},

	{Role: fleet.RoleAdmin, Access: Read, Topics: "#"},
	{Role: fleet.RoleAdmin, Access: Read, Topics: "hosts/+/" + wire.LeafAsk + "/#", Deny: true},
	{Role: fleet.RoleAdmin, Access: Write, Topics: "hosts/+/command"},
	{Role: fleet.RoleAdmin, Access: Write, Topics: "services/+/+/command"},
}

// byRole has the rules of each role with their topics apart.
var byRole = split(Rules)

type rule struct {
	access Access
	deny   bool
	levels []string
}

func split(rules []Rule) map[fleet.Role][]rule {
	out := map[fleet.Role][]rule{}
	for _, r := range rules {
		out[r.Role] = append(out[r.Role], rule{access: r.Access, deny: r.Deny, levels: strings.Split(r.Topics, "/")})
	}
	return out
}

// Subject is who asks, ready to be asked about: it holds the rules of one role.
type Subject struct {
	host  string
	rules []rule
}

// For returns the subject of a role; host is an agent's own.
func For(role fleet.Role, host string) Subject { return Subject{host: host, rules: byRole[role]} }

// MayRead answers for filters when somebody subscribes, and for topics when a
// message is delivered: who subscribes to more than they may gets what they may.
// It allocates nothing.
func (s Subject) MayRead(topic string) bool { return s.may(Read, topic) }

// MayWrite says whether the topic may be published to.
func (s Subject) MayWrite(topic string) bool { return s.may(Write, topic) || s.may(Retain, topic) }

// MayRetain says whether what is published may be kept by the broker.
func (s Subject) MayRetain(topic string) bool { return s.may(Retain, topic) }

func (s Subject) may(access Access, topic string) bool {
	path, below := strings.CutPrefix(topic, wire.Root+"/")
	if !below {
		return false
	}
	allowed := false
	for i := range s.rules {
		r := &s.rules[i]
		if r.access != access || !s.matches(r.levels, path) {
			continue
		}
		if r.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

// matches compares level by level. A wildcard of the path's is just a level: it
// is as wide as what the rule has in its place, or it doesn't match.
func (s Subject) matches(levels []string, path string) bool {
	more := true
	for _, level := range levels {
		if level == "#" {
			return true
		}
		if !more {
			return false
		}
		var next string
		next, path, more = strings.Cut(path, "/")
		switch level {
		case "+":
			if next == "" || next == "#" {
				return false
			}
		case "%h":
			if s.host == "" || next != s.host {
				return false
			}
		default:
			if next != level {
				return false
			}
		}
	}
	return !more
}
