// Package compose maps a canonical Compose document onto fleet services.
//
// Canonical means that nothing is left to look up: interpolation is done,
// env_file is read into environment, include and extends are resolved and
// paths are absolute. The package resolve makes such a document on an
// operator's machine; here neither a file nor the environment is read.
//
// The mapping is strict. What Muster can't carry out is an error with its
// exact path, never silently dropped; a few keys that only mean something on
// one machine are named in a warning. All errors of a document are reported
// at once, joined, each a *fleet.Error. The same document always gives the
// same services, byte for byte.
package compose
