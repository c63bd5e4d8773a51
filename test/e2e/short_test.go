//go:build e2e && !soak

package e2e

// long: tests leave what takes them long to `make soak`.
const long = false
