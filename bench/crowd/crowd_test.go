package crowd_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/bench/crowd"
	"github.com/musterhq/muster/hub"
	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience only runs out when something is broken.
const patience = time.Minute

const everywhere = `name: shop
services:
  web: {image: "web:1", deploy: {mode: global}}
`

// TestCrowdIsServedLikeAgents plays a few agents to a real hub: all are known,
// a service gets ready on all of them, and all come back when they are cut off.
func TestCrowdIsServedLikeAgents(t *testing.T) {
	t.Run("TLS", func(t *testing.T) { serveCrowd(t, true) })
	t.Run("plain", func(t *testing.T) { serveCrowd(t, false) })
}

func serveCrowd(t *testing.T, secure bool) {
	const agents = 5
	o, people := startHub(t)
	wanted := crowd.DefaultOptions()
	wanted.Hub, wanted.Agents, wanted.Start = o.MQTT, agents, 10*time.Millisecond
	if secure {
		wanted.Hub, wanted.Join = o.MQTTS, o.HTTPS
	}
	orders := startCrowd(t, wanted)
	if secure {
		token, err := people.CreateToken(t.Context(), client.TokenOrder{Uses: agents}, client.Write{})
		if err != nil {
			t.Fatal(err)
		}
		orders.give(crowd.Order{Do: crowd.DoJoin, Token: token.Token})
	}
	state := orders.until("all are heard", 0, func(s crowd.State) bool { return s.Heard == agents && s.Settled == agents })
	if state.Connected != agents || state.Sessions != agents || state.HeardAt.IsZero() || secure && state.Joined != agents {
		t.Errorf("the state is %+v", state)
	}
	result, err := people.Apply(t.Context(), "shop", client.Apply{Document: everywhere}, client.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if state := orders.until("all have the service", result.Revision, func(s crowd.State) bool { return s.Confirmed == agents }); state.ReachedAt.IsZero() || state.ConfirmedAt.IsZero() {
		t.Errorf("the state is %+v", state)
	}
	eventually(t, "the service has converged", func() bool {
		list, err := people.Services(t.Context(), "shop")
		return err == nil && len(list.Items) == 1 && list.Items[0].State == fleet.ServiceConverged && list.Items[0].Ready == agents
	})
	orders.give(crowd.Order{Do: crowd.DoReport})
	orders.until("the new reports are confirmed", 0, func(s crowd.State) bool { return s.Settled == agents })
	cut := orders.give(crowd.Order{Do: crowd.DoCut})
	orders.until("all are back", 0, func(s crowd.State) bool { return s.Sessions >= cut.Sessions+agents && s.Settled == agents })
	orders.give(crowd.Order{Do: crowd.DoWatch})
	cut = orders.give(crowd.Order{Do: crowd.DoCut, Every: 2})
	state = orders.until("those are back that were cut off", 0, func(s crowd.State) bool { return s.Sessions >= cut.Sessions+3 && s.Settled == agents })
	if state.Sessions != cut.Sessions+3 || state.Watched != 2 {
		t.Errorf("three of five were cut off, and the state is %+v", state)
	}
	orders.until("an echo came", 0, func(s crowd.State) bool { return s.Slowest > 0 })
}

// startHub runs a hub until the test ends.
func startHub(t *testing.T) (o hub.Options, people *client.Client) {
	t.Helper()
	o = hub.DefaultOptions()
	o.StateDir, o.Socket, o.Logger, o.InsecureListen = t.TempDir(), "", slog.New(slog.DiscardHandler), true
	o.MQTTS, o.HTTPS, o.MQTT, o.HTTP = freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx, o) }()
	people, err := client.New(client.Options{URL: "http://" + o.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		people.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the hub answers", func() bool {
		_, err := people.Version(t.Context())
		return err == nil
	})
	return o, people
}

// orders speaks to a crowd as a program's starter does.
type orders struct {
	t   *testing.T
	in  *json.Encoder
	out *json.Decoder
}

func startCrowd(t *testing.T, o crowd.Options) *orders {
	t.Helper()
	ordersIn, ordersOut := io.Pipe()
	answersIn, answersOut := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- crowd.New(o).Serve(ordersIn, answersOut) }()
	t.Cleanup(func() {
		_ = ordersOut.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &orders{t: t, in: json.NewEncoder(ordersOut), out: json.NewDecoder(answersIn)}
}

func (o *orders) give(order crowd.Order) (s crowd.State) {
	o.t.Helper()
	if err := o.in.Encode(order); err != nil {
		o.t.Fatal(err)
	}
	if err := o.out.Decode(&s); err != nil {
		o.t.Fatal(err)
	}
	return s
}

func (o *orders) until(what string, generation uint64, so func(crowd.State) bool) (s crowd.State) {
	o.t.Helper()
	eventually(o.t, what, func() bool {
		s = o.give(crowd.Order{Do: crowd.DoState, Generation: generation})
		return so(s)
	})
	return s
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// freeAddress is a loopback address with a port that is free now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
