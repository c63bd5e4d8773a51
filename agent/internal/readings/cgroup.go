package readings

import (
	"bufio"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupPatterns are where engines keep the memory group of a container with
// the id %: below the unified hierarchy and below the memory controller's own,
// with the systemd and the cgroupfs driver, in the default or another parent.
var cgroupPatterns = []string{
	"/sys/fs/cgroup/system.slice/docker-%.scope",
	"/sys/fs/cgroup/*/%",
	"/sys/fs/cgroup/*/docker-%.scope",
	"/sys/fs/cgroup/memory/system.slice/docker-%.scope",
	"/sys/fs/cgroup/memory/*/%",
	"/sys/fs/cgroup/memory/*/docker-%.scope",
}

// unreclaimable are the counters of memory.stat that the kernel can't take
// back: those of version 2, then those of version 1.
var unreclaimable = map[string]bool{
	"anon": true, "shmem": true, "kernel_stack": true, "slab_unreclaimable": true,
	"total_rss": true, "total_shmem": true,
}

// ContainerMemory returns what the containers with these engine ids use now
// and the kernel can't take back, in bytes. One that doesn't run counts 0.
func ContainerMemory(ids []string) int64 {
	var sum int64
	found, of := "", "" // an engine keeps all of them in one place
	for _, id := range ids {
		path := strings.Replace(found, of, id, 1)
		if _, err := os.Stat(path); found == "" || err != nil {
			path = findMemoryStat(id)
		}
		if path != "" {
			sum += readMemoryStat(path)
			found, of = path, id
		}
	}
	return sum
}

// findMemoryStat looks in all places; empty: there is none.
func findMemoryStat(id string) string {
	for _, pattern := range cgroupPatterns {
		paths, err := filepath.Glob(strings.ReplaceAll(pattern, "%", id) + "/memory.stat")
		if err == nil && len(paths) > 0 {
			return paths[0]
		}
	}
	return ""
}

func readMemoryStat(path string) int64 {
	file, err := os.Open(path)
	if err != nil {
		return 0 // it ended meanwhile
	}
	defer func() { _ = file.Close() }() // only read
	return parseMemoryStat(file)
}

func parseMemoryStat(table io.Reader) int64 {
	var sum int64
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 && unreclaimable[name] {
			sum += min(n, math.MaxInt64-sum)
		}
	}
	return sum
}
