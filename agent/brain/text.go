package brain

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// runOf names one run of a container: it changes with each start.
func runOf(c *Container) string {
	return c.ID + "@" + strconv.FormatInt(c.StartedAt.UnixNano(), 36)
}

// words writes a duration as people say it: "8 s", "2 min", "3 h".
func words(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
}

// exitText says how a container ended.
func exitText(c *Container) string {
	text := fmt.Sprintf("exited with code %d", c.ExitCode)
	if c.OOMKilled {
		text = "was killed because it ran out of memory"
	}
	if c.Error != "" {
		text += " (" + c.Error + ")"
	}
	return text
}

// portsLabel writes ports as the value of LabelPorts.
func portsLabel(ports map[int]int) string {
	var parts []string
	for _, target := range slices.Sorted(maps.Keys(ports)) {
		parts = append(parts, fmt.Sprintf("%d:%d", target, ports[target]))
	}
	return strings.Join(parts, ",")
}

const maxPort = 65535

// parsePorts reads the value of LabelPorts and skips what it can't read.
func parsePorts(label string) map[int]int {
	ports := map[int]int{}
	for part := range strings.SplitSeq(label, ",") {
		target, host, _ := strings.Cut(part, ":")
		t, err1 := strconv.Atoi(target)
		h, err2 := strconv.Atoi(host)
		if err1 == nil && err2 == nil && t > 0 && h > 0 && t <= maxPort && h <= maxPort {
			ports[t] = h
		}
	}
	return ports
}
