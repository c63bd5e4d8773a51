package broker

import (
	"errors"
	"fmt"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// agentUser begins the user name of every agent that has no certificate; its
// machine id follows.
const agentUser = "agent:"

// nobody is who connects at an open door without being an agent.
const nobody = "anonymous"

// identify tells who a CONNECT packet comes from. On an error the identity
// still names the host when an agent named one, so that the hub can be told.
func (o *Options) identify(c *conn, client string, connect packets.ConnectParams, version byte) (identity, error) {
	var who identity
	switch alive := time.Duration(connect.Keepalive) * time.Second; {
	case client == mqtt.InlineClientId:
		return who, fmt.Errorf("the client id %q is the hub's own", client)
	case len(client) > maxClientID:
		return who, fmt.Errorf("the client id has more than %d bytes", maxClientID)
	case alive < o.MinKeepAlive || alive > o.MaxKeepAlive:
		return who, fmt.Errorf("a keepalive of %s is not within %s to %s", alive, o.MinKeepAlive, o.MaxKeepAlive)
	}
	err := o.prove(&who, c, strings.Clone(client), connect)
	switch {
	case err != nil:
		return who, err
	case who.role == roleAgent:
		err := who.checkAgent(connect, version)
		return who, err
	case connect.WillFlag:
		return who, errors.New("only agents have a Will")
	}
	return who, nil
}

// prove finds out who it is: by the certificate, by name and password, or, at an
// open door, by what they say.
func (o *Options) prove(who *identity, c *conn, client string, connect packets.ConnectParams) error {
	user := string(connect.Username)
	machine, isAgent := strings.CutPrefix(user, agentUser)
	leaf := c.certificate()
	switch {
	case leaf != nil:
		host, err := o.Guard.Host(leaf)
		if err != nil {
			return err
		}
		who.agent(host)
		who.machine = string(connect.Password)
		if client != host || user != host {
			return fmt.Errorf("the certificate is %s's, and the client id %q and user %q are not", host, client, user)
		}
		return nil
	case c.door.Open && isAgent:
		if err := fleet.ValidateHost(client); err != nil {
			return err
		}
		who.agent(client)
		who.machine = machine
		if o.Guard != nil && o.Guard.Joined(client) {
			return fmt.Errorf("%s has joined with a key of its own, and this connection doesn't show it", client)
		}
		return nil
	case connect.UsernameFlag && o.Guard != nil:
		by, err := o.Guard.Login(user, string(connect.Password), c.address())
		if err != nil {
			return err
		}
		by.Via, by.From = fleet.ViaMQTT, c.address()
		who.reader(by, client)
		return nil
	case c.door.Open:
		who.reader(fleet.Principal{Name: nobody, Role: fleet.RoleOperator, Via: fleet.ViaMQTT, From: c.address()}, client)
		return nil
	}
	return errors.New("neither a certificate nor a user's name and password was shown")
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
