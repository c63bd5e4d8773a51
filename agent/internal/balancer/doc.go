// Package balancer has what the drivers of load balancers share, each of which
// is a package below it: the sealed file on disk, the processes of a program
// that outlives the agent, and what both say of pools.
package balancer
