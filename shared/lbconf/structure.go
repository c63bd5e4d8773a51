package lbconf

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// Structure fingerprints what only a reload changes: everything in the file but
// the endpoints, whose weights and states too are the runtime API's business,
// and the generations. The running worker holds the structure of the file that
// it was started with, in StructureVar.
func Structure(input Input) string {
	var text bytes.Buffer
	writeGlobal(&text, input)
	writeDefaults(&text, input.Global)
	for _, pool := range input.Pools {
		if !pool.Removed {
			pool.Endpoints = nil
			writePool(&text, input.Global, pool)
			fmt.Fprintf(&text, "servers of %s: %s\n", pool.Service, serverKeywords(pool.Check, 0))
		}
	}
	return sum(text.Bytes())[:32]
}

// SameSection says whether two states of a pool differ in nothing that needs
// a reload.
func SameSection(a, b fleet.Pool) bool {
	if a.Removed || b.Removed {
		return a.Removed == b.Removed
	}
	return a.Check == b.Check && slices.EqualFunc(a.Routes, b.Routes, func(x, y fleet.Route) bool {
		return x.Target == y.Target && x.Protocol == y.Protocol && slices.Equal(x.Listen, y.Listen)
	})
}
