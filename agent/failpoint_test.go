package agent

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// deathEnv makes the test's own program the one that is to die.
const deathEnv = "TEST_FAILPOINT"

func TestFailPointKills(t *testing.T) {
	if point := os.Getenv(deathEnv); point != "" {
		f, err := parseFailPoint(point)
		if err != nil {
			t.Fatal(err)
		}
		f.reached("before-save")
		f.reached("after-save")
		return
	}
	for point, dies := range map[string]bool{"after-save:kill": true, "after-op:kill": false} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFailPointKills$")
		cmd.Env = append(os.Environ(), deathEnv+"="+point)
		_ = cmd.Run() // how it ended is looked at below
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if killed := status.Signaled() && status.Signal() == syscall.SIGKILL; killed != dies {
			t.Errorf("%s: %v", point, cmd.ProcessState)
		}
	}
}
