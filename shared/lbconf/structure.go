package lbconf

import (
	"bytes"
	"fmt"
	"maps"
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
	shared := shared(input.Pools)
	for _, pool := range input.Pools {
		if !pool.Removed {
			pool.Endpoints = nil
			writePool(&text, input.Global, pool, shared)
			fmt.Fprintf(&text, "servers of %s: %s\n", pool.Service, serverKeywords(pool.Check, 0))
			for _, route := range pool.Routes {
				text.WriteString(speaks(route))
			}
		}
	}
	writeShared(&text, input.Global, shared)
	return sum(text.Bytes())[:32]
}

// SameSection says whether two states of a pool differ in nothing that needs
// a reload.
func SameSection(a, b fleet.Pool) bool {
	if a.Removed || b.Removed {
		return a.Removed == b.Removed
	}
	return a.Check == b.Check && slices.EqualFunc(a.Routes, b.Routes, sameRoute)
}

func sameRoute(a, b fleet.Route) bool {
	return a.Target == b.Target && a.Protocol == b.Protocol && slices.Equal(a.Listen, b.Listen) &&
		slices.Equal(a.Hosts, b.Hosts) && slices.Equal(a.Paths, b.Paths) && slices.Equal(a.Named, b.Named) &&
		maps.EqualFunc(a.Certificates, b.Certificates, slices.Equal[[]string]) &&
		a.Algorithm == b.Algorithm && a.Sticky == b.Sticky && sameTimeouts(a.Timeouts, b.Timeouts) &&
		a.SendProxy == b.SendProxy && slices.Equal(a.AcceptProxy, b.AcceptProxy) && maps.Equal(a.Snippets, b.Snippets)
}

func sameTimeouts(a, b *fleet.Timeouts) bool {
	return a == b || a != nil && b != nil && *a == *b
}
