// Package haproxy drives a HAProxy of Muster's own: it carries out what
// package sequence decides and reports what it sees.
//
// HAProxy outlives the agent. It runs as a daemon in master-worker mode from
// a directory of its own, and an agent that starts finds it there by its
// master socket and goes on with it: nothing is reloaded. The configuration
// file always carries what is in force, so that a HAProxy that died is started
// from it as it was.
package haproxy
