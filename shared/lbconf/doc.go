// Package lbconf renders pools as a load balancer's configuration. It is
// pure: the same input gives the same bytes, and nothing that a pool carries
// reaches a file unless it was checked first.
//
// A rendered file is sealed: its first lines hold a checksum of the rest and
// the pools that it was made from, so that whoever finds the file can tell
// whether it was edited by hand, and what the balancer was last told.
package lbconf
