// Package broker is the hub's MQTT broker: it lets agents and readers in,
// keeps each to its own topics, hands agents' messages to the hub and
// publishes what the hub says.
//
// Whoever connects is one of two. An agent has its host's id as client id
// and the user name "agent:<machine id>"; it publishes its own host's
// actual, presence, events and results, and reads its own host's desired,
// ack, ask and pools. Everybody else is a reader: it may subscribe to
// anything below muster/v1 except what only agents may know (desired, ask),
// and publishes nothing.
//
// Delivery is at most once: every subscription is granted QoS 0, so that one
// stalled peer never holds up the others. What matters is sent again by the
// hub until it is confirmed in a heartbeat.
package broker
