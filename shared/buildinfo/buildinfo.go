// Package buildinfo carries what the linker stamps into the binaries.
package buildinfo

import "runtime/debug"

// Version is stamped by the build: go build -ldflags "-X …/buildinfo.Version=1.2.3".
var Version = ""

// String is the stamped version, or what the Go toolchain knows, or "dev".
func String() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
