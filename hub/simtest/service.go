package simtest

import "github.com/musterhq/muster/shared/fleet"

// project is the one that every simulated service belongs to.
const project = "shop"

// Web is a service behind the balancers, as an ordinary file asks for it. Its
// listener follows from its name, so that services don't get in each other's way.
func Web(name string, count int, image string) fleet.Service {
	listen := 8000
	for _, letter := range name {
		listen += int(letter)
	}
	return fleet.Service{
		Key: fleet.ServiceKey{Project: project, Name: name}, Mode: fleet.ModeReplicated, Count: count, CountStated: true,
		Spec: fleet.Spec{
			Image:   image,
			Publish: []fleet.Publish{{Target: 80, Protocol: "tcp"}},
			Restart: fleet.Restart{Policy: fleet.RestartAlways},
			Probe:   &fleet.Probe{Type: fleet.ProbeHTTP, Port: 80, Path: "/healthz"},
		},
		Balancing: &fleet.Balancing{
			Routes: []fleet.Route{{Target: 80, Listen: []int{listen}, Protocol: fleet.ProtocolHTTP}},
			Check:  fleet.Check{Type: fleet.ProbeHTTP, Path: "/healthz"},
		},
	}
}
