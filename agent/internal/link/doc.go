// Package link is the agent's connection to the hub over MQTT.
//
// A link has one session at a time. Each session has a random id and its own
// Will, and ends with its connection; the next one begins after a pause with
// jitter. What the agent says waits in an outbox with one place for each
// topic, so that after an outage only the newest is sent. What the hub says
// waits in an inbox, so that a slow receiver never stalls the connection.
package link
