package arch

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw the dependency picture in docs/architecture.md and write the lines of guards in docs/invariants.md anew")

const (
	pictureBegins = "```mermaid\n"
	pictureEnds   = "```\n"
)

// TestTheDependencyPictureIsTrue draws who imports whom from the code, and
// wants the picture in the docs to be that one.
func TestTheDependencyPictureIsTrue(t *testing.T) {
	page := filepath.Join(root, "docs", "architecture.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), pictureBegins)
	drawn, after, ends := strings.Cut(rest, pictureEnds)
	if !begins || !ends {
		t.Fatalf("%s has no picture between %q and %q", page, pictureBegins, pictureEnds)
	}
	picture := draw(readRooms(t))
	if drawn == picture {
		return
	}
	if !*update {
		t.Fatalf("the picture in %s isn't what the code is: draw it with go test ./test/arch -update\nit should be:\n%s", page, picture)
	}
	if err := os.WriteFile(page, []byte(before+pictureBegins+picture+pictureEnds+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// imports of one room.
type imports struct{ rooms, vendors []string }

// readRooms reads the rooms of hub and agent; tests and simulations are left out.
func readRooms(t *testing.T) map[string]imports {
	t.Helper()
	found := map[string]imports{}
	walk(t, func(f file) {
		room := f.room()
		if f.test || !inAny(room, []string{"hub", "agent"}) || inAny(room, bothSides) || room == "hub/internal/broker/testbroker" {
			return
		}
		in := found[room]
		for _, imported := range f.imports {
			own, ours := strings.CutPrefix(imported, module)
			if ours && own != room && inAny(own, []string{"hub", "agent"}) {
				in.rooms = append(in.rooms, own)
			}
			for vendor := range vendors {
				if within(imported, vendor) {
					in.vendors = append(in.vendors, vendor)
				}
			}
		}
		found[room] = in
	})
	return found
}

// draw writes a flowchart.
func draw(found map[string]imports) string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for _, side := range []string{"hub", "agent"} {
		fmt.Fprintf(&b, "  subgraph %s_side[%s]\n", side, side)
		for _, room := range slices.Sorted(maps.Keys(found)) {
			if within(room, side) {
				fmt.Fprintf(&b, "    %s\n", node(room, found[room].vendors))
			}
		}
		b.WriteString("  end\n")
	}
	for _, room := range slices.Sorted(maps.Keys(found)) {
		for _, imported := range sortedSet(found[room].rooms) {
			fmt.Fprintf(&b, "  %s --> %s\n", id(room), id(imported))
		}
	}
	return b.String()
}

func id(room string) string { return strings.NewReplacer("/", "_", "-", "_").Replace(room) }

// node is a room with the vendors that it alone knows.
func node(room string, known []string) string {
	label := room
	for _, vendor := range sortedSet(known) {
		label += "<br>" + strings.TrimPrefix(vendor, "github.com/")
	}
	if _, pure := pureRooms[room]; pure {
		return fmt.Sprintf("%s([%q])", id(room), label)
	}
	return fmt.Sprintf("%s[%q]", id(room), label)
}

func sortedSet(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
