package readings

import (
	"strings"
	"testing"
)

func TestDisk(t *testing.T) {
	used, size, err := Disk(t.Context(), t.TempDir())
	if err != nil || used <= 0 || size <= used {
		t.Errorf("%d of %d bytes, %v", used, size, err)
	}
	if _, _, err := Disk(t.Context(), "/nowhere"); err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("of a directory that isn't there: %v", err)
	}
}
