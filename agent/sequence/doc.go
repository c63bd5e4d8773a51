// Package sequence decides how a balancer with a runtime API gets from what
// it has to what is wanted without dropping a request. It is pure: what is
// wanted, what was seen and the time come in, and actions and a report go out.
//
// The order in a turn is fixed. What must lose its traffic loses it first.
// Then either the file is written and reloaded, because a listener or a check
// changed, or endpoints are added, promoted and deleted in the running worker
// and the file follows. An endpoint enters in drain, and is promoted when the
// balancer's own check has passed. Nothing is acknowledged before the file
// holds it too.
package sequence
