// Package peers is the API's unix socket: who connects to it is told by the kernel.
// Root, the hub's own user and the members of a group may do everything; others are
// told that they may not.
package peers
