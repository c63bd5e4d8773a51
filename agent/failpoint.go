package agent

import (
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
)

// failPoint kills the agent when it reaches a point: "before-save",
// "after-save" or "after-op". Empty: nowhere.
type failPoint string

// parseFailPoint reads "<point>:kill".
func parseFailPoint(text string) (failPoint, error) {
	if text == "" {
		return "", nil
	}
	point, action, _ := strings.Cut(text, ":")
	if action != "kill" || !slices.Contains([]string{loop.PointBeforeSave, loop.PointAfterSave, loop.PointAfterOp}, point) {
		return "", fleet.Invalid("failpoint", "%q is not before-save:kill, after-save:kill or after-op:kill", text)
	}
	return failPoint(point), nil
}

func (f failPoint) reached(point string) {
	if f != "" && string(f) == point {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing follows
	}
}
