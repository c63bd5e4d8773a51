// Package fleet holds the nouns that hub and agent must agree on: services,
// versions, instances, hosts, balancers, pools, events and commands, with
// their validation. It imports the standard library only and does no IO.
package fleet
