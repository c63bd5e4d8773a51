// Package balancer has what the drivers of load balancers share, each of which
// is a package below it: what is wanted and reported, the turns and who is kept back
// in them (Common), the sealed file on disk, and the processes of a program that
// outlives the agent. A driver sees what its program does, and carries out actions.
package balancer
