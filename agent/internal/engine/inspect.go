package engine

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/agent/brain"
)

// fromInspect translates what the engine says of one container. Labels are
// shared with nobody else.
func fromInspect(i *container.InspectResponse) (brain.Container, error) {
	if i.ContainerJSONBase == nil || i.State == nil || i.HostConfig == nil || i.Config == nil {
		return brain.Container{}, errors.New("the engine's answer lacks parts")
	}
	c := brain.Container{
		ID:         i.ID,
		Name:       strings.TrimPrefix(i.Name, "/"),
		Labels:     i.Config.Labels,
		State:      i.State.Status,
		ImageID:    i.Image,
		ExitCode:   i.State.ExitCode,
		OOMKilled:  i.State.OOMKilled,
		Error:      i.State.Error,
		StartedAt:  readTime(i.State.StartedAt),
		FinishedAt: readTime(i.State.FinishedAt),
		StopSignal: signalNumber(i.Config.StopSignal),
		HostPorts:  hostPorts(i),
		Memory:     i.HostConfig.Memory,
		CPUs:       cpus(&i.HostConfig.Resources),
		Snapshot:   snapshot(i),
	}
	if c.Memory == 0 {
		c.Memory = i.HostConfig.MemoryReservation
	}
	if i.State.Health != nil && i.State.Health.Status != container.NoHealthcheck {
		c.Health = i.State.Health.Status
	}
	return c, nil
}

func snapshot(i *container.InspectResponse) brain.Snapshot {
	s := brain.Snapshot{
		Name:          strings.TrimPrefix(i.Name, "/"),
		MemoryLimit:   i.HostConfig.Memory,
		MemoryReserve: i.HostConfig.MemoryReservation,
		NanoCPUs:      i.HostConfig.NanoCPUs,
		RestartPolicy: string(i.HostConfig.RestartPolicy.Name),
	}
	// Engines write no limit as null, 0 or -1.
	if limit := i.HostConfig.PidsLimit; limit != nil && *limit > 0 {
		s.PidsLimit = *limit
	}
	if i.NetworkSettings != nil {
		s.Networks = slices.Sorted(maps.Keys(i.NetworkSettings.Networks))
	}
	return s
}

// readTime reads the engine's time; its zero time is ours.
func readTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

func cpus(r *container.Resources) float64 {
	if r.NanoCPUs > 0 {
		return float64(r.NanoCPUs) / 1e9
	}
	if r.CPUQuota > 0 {
		period := r.CPUPeriod
		if period == 0 {
			period = 100_000 // the kernel's default, in microseconds
		}
		return float64(r.CPUQuota) / float64(period)
	}
	return 0
}

// hostPorts are the ports that a container has or will have when it runs.
func hostPorts(i *container.InspectResponse) []int {
	var ports []int
	for _, bindings := range i.HostConfig.PortBindings {
		for _, b := range bindings {
			if port, err := strconv.Atoi(b.HostPort); err == nil && port > 0 {
				ports = append(ports, port)
			}
		}
	}
	return sortedSet(ports)
}

// listedPorts adds the ports that the engine chose by itself.
func listedPorts(ports []int, listed []container.Port) []int {
	for _, p := range listed {
		if p.PublicPort != 0 {
			ports = append(ports, int(p.PublicPort))
		}
	}
	return sortedSet(ports)
}

func sortedSet(ports []int) []int {
	slices.Sort(ports)
	return slices.Compact(ports)
}
