// Package client speaks the hub's HTTP API. It has the API's nouns, which are
// fleet's, and turns every error into *fleet.Error: one, or several joined.
//
// A Client is safe for use by several goroutines and starts none of its own.
package client
