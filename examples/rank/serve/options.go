package serve

import (
	"cmp"
	"os"
)

// options are what the environment says.
type options struct {
	Listen   string
	Store    string
	Instance string
}

func optionsFrom(getenv func(string) string) options {
	host, _ := os.Hostname() // an empty name is no reason not to serve
	return options{
		Listen:   cmp.Or(getenv("LISTEN"), ":8080"),
		Store:    cmp.Or(getenv("STORE"), "board:6379"),
		Instance: cmp.Or(getenv("MUSTER_INSTANCE"), host, "unknown"),
	}
}
