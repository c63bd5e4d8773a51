// Package people knows who may ask the hub for something: accounts with roles,
// their passwords, API tokens for programs and the sessions that a login gives. It
// slows down who guesses, and writes down in the audit trail what it changes and
// whom it turns away.
//
// Everything is in memory and in the store. What changes is committed together
// with its entry of the audit trail before it counts.
package people
