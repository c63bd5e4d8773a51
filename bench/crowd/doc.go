// Package crowd plays thousands of agents to a real hub, so that the hub can be
// measured with a fleet that no machine could hold.
//
// Each agent has a machine's address of its own, a key and a certificate that it
// gets by joining, and a connection by TLS, and speaks what a real one does, in the
// same messages (shared/wire), at the same times: it connects with its Will,
// subscribes, beats every three seconds, accepts its desired state and its
// pools, says so at once, reports its instances as starting and then as ready,
// repeats what isn't acknowledged, gives up a hub that doesn't answer, and
// connects again after a random pause. What it lacks is the host: no engine, no
// disk, no balancer. Its MQTT is written by hand, because a client library's
// goroutines and buffers would cost more than the hub that is measured.
//
// A crowd runs in a process of its own and takes orders; see Process.
package crowd
