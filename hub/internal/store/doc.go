// Package store keeps the hub's decisions and events on disk, in one bbolt
// file. It knows tables of keys and bytes; what they mean is the caller's.
//
// A commit is one transaction: it is on disk whole when Commit returns nil,
// and leaves no trace when it returns an error. Revisions only rise. The file
// holds environment values of services, so only its owner may read it.
package store
