package readings

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/disk"
)

// Disk returns how many bytes of the file system of a path are used, and how many
// it has for programs in all: what is kept for root isn't among them.
func Disk(ctx context.Context, path string) (used, size int64, err error) {
	usage, err := disk.UsageWithContext(ctx, path)
	if err != nil {
		return 0, 0, fmt.Errorf("read the disk of %s: %w", path, err)
	}
	return int64(usage.Used), int64(usage.Used + usage.Free), nil
}
