// Package resolve makes the canonical Compose document on the operator's
// machine: variables from the shell and .env are filled in, env_file is read
// into environment, include, extends and override files are merged, and
// paths are made absolute. What comes out needs nothing but itself.
package resolve
