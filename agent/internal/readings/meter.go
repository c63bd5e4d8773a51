package readings

import (
	"context"
	"fmt"
	"slices"

	"github.com/shirou/gopsutil/v3/mem"

	"github.com/musterhq/muster/shared/fleet"
)

// memoryStep is what foreign memory is rounded to, in bytes.
const memoryStep = 16 << 20

// Ours is what is not foreign.
type Ours struct {
	// Memory that our containers use now, in bytes; see ContainerMemory.
	Memory int64
	// Ports that our containers publish.
	Ports []int
}

// Meter reads what others use of the machine. It is for one goroutine.
type Meter struct {
	memory int64 // as last told
}

// NewMeter makes a meter that has told nothing yet.
func NewMeter() *Meter { return &Meter{} }

// Foreign fills Memory and Ports. What other containers use is part of both.
// Memory is in steps of 16 MiB and changes only when it is clearly within
// another one, so that a steady machine tells the same again and again.
func (m *Meter) Foreign(ctx context.Context, ours Ours) (fleet.Foreign, error) {
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return fleet.Foreign{}, fmt.Errorf("read memory: %w", err)
	}
	ports, err := listeningPorts()
	if err != nil {
		return fleet.Foreign{}, fmt.Errorf("list listening ports: %w", err)
	}
	m.memory = settle(m.memory, int64(memory.Total)-int64(memory.Available)-ours.Memory)
	return fleet.Foreign{
		Memory: m.memory,
		Ports:  slices.DeleteFunc(ports, func(port int) bool { return slices.Contains(ours.Ports, port) }),
	}, nil
}

// settle rounds used up to a step, and stays at last as long as used is not
// more than one step off.
func settle(last, used int64) int64 {
	used = max(used, 0)
	rounded := (used + memoryStep - 1) / memoryStep * memoryStep
	if last > 0 && used > last-2*memoryStep && used <= last+memoryStep {
		return last
	}
	return rounded
}
