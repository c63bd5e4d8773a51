package broker

import (
	"fmt"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// agentUser begins the user name of every agent; its machine id follows.
const agentUser = "agent:"

// identify tells who a CONNECT packet comes from. On an error the identity
// still names the host when an agent named one, so that the hub can be told.
func (o *Options) identify(client string, connect packets.ConnectParams, version byte) (identity, error) {
	who := identity{role: roleReader, id: strings.Clone(client)}
	user := string(connect.Username)
	if machine, isAgent := strings.CutPrefix(user, agentUser); isAgent {
		if err := fleet.ValidateHost(client); err != nil {
			return identity{}, err
		}
		who.role, who.machine, who.prefix = roleAgent, machine, wire.Host(who.id, "")
	}
	switch alive := time.Duration(connect.Keepalive) * time.Second; {
	case client == mqtt.InlineClientId:
		return who, fmt.Errorf("the client id %q is the hub's own", client)
	case len(client) > maxClientID:
		return who, fmt.Errorf("the client id has more than %d bytes", maxClientID)
	case alive < o.MinKeepAlive || alive > o.MaxKeepAlive:
		return who, fmt.Errorf("a keepalive of %s is not within %s to %s", alive, o.MinKeepAlive, o.MaxKeepAlive)
	case who.role == roleReader && connect.WillFlag:
		return who, fmt.Errorf("readers publish nothing, a Will neither")
	case who.role == roleAgent:
		err := who.checkAgent(connect, version)
		return who, err
	}
	return who, nil
}

func (i *identity) checkAgent(connect packets.ConnectParams, version byte) error {
	switch {
	case version != 4:
		return fmt.Errorf("agents speak MQTT 3.1.1, not version %d", version)
	case i.machine == "" || len(i.machine) > maxMachineID:
		return fmt.Errorf("the machine id must have 1 to %d bytes", maxMachineID)
	case !connect.WillFlag:
		return nil
	case connect.WillTopic != i.prefix+wire.LeafPresence:
		return fmt.Errorf("the Will is for %.200q, not for the host's own presence", connect.WillTopic)
	case len(connect.WillPayload) > maxWill:
		return fmt.Errorf("the Will has more than %d bytes", maxWill)
	}
	return nil
}
