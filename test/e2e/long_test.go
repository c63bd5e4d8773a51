//go:build e2e && soak

package e2e

// long: tests do what takes them long, too.
const long = true
