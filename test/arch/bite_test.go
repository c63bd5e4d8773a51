package arch

import (
	"strings"
	"testing"
)

// Each source breaks one rule, and the sentence has to say which.
func TestEachRuleBites(t *testing.T) {
	for _, c := range []struct{ name, path, source, want string }{
		{"shared has no vendor", "shared/fleet/a.go", `import "golang.org/x/sync/errgroup"`, "standard library and itself"},
		{"shared has no side", "shared/wire/a.go", `import "github.com/musterhq/muster/hub/turn"`, "standard library and itself"},
		{"a pure room has no vendor", "hub/turn/a.go", `import "github.com/google/renameio/v2"`, "is a pure room"},
		{"a pure room has no plumbing", "hub/turn/a.go", `import "github.com/musterhq/muster/hub/internal/store"`, "is a pure room"},
		{"a pure room has no room that isn't named for it", "hub/placement/a.go", `import "github.com/musterhq/muster/hub/turn"`, "is a pure room"},
		{"a pure room has no files", "agent/brain/a.go", `import "os"`, "without IO"},
		{"a pure room has no programs", "agent/brain/a.go", `import "os/exec"`, "without IO"},
		{"a pure room has no randomness", "hub/balance/a.go", `import "math/rand/v2"`, "without IO"},
		{"a pure room has no locks", "agent/sequence/a.go", `import "sync"`, "without IO"},
		{"a pure room has no HTTP", "hub/rollout/a.go", `import "net/http"`, "without IO"},
		{"a pure room has no clock", "hub/turn/a.go", "import \"time\"\nvar _ = time.Now()", "uses time.Now"},
		{"a clock by another name", "hub/turn/a.go", "import clock \"time\"\nvar _ = clock.Since", "uses time.Since"},
		{"a pure room doesn't dial", "hub/turn/a.go", "import \"net\"\nvar _, _ = net.Dial(\"tcp\", \"\")", "uses net.Dial"},
		{"a pure room hides nothing", "hub/turn/a.go", `import . "time"`, "without a name"},
		{"a pure room has no goroutines", "shared/lbconf/a.go", "func f() { go f() }", "starts a goroutine"},
		{"behind a build tag too", "hub/turn/a.go", "import \"os\"\n", "without IO"},
		{"mochi", "hub/internal/api/a.go", `import "github.com/mochi-mqtt/server/v2/packets"`, "only hub/internal/broker may"},
		{"bbolt", "hub/internal/fleetloop/a.go", `import "go.etcd.io/bbolt/errors"`, "only hub/internal/store may"},
		{"the engine's SDK", "agent/internal/readings/a.go", `import "github.com/docker/docker/client"`, "only agent/internal/engine may"},
		{"paho", "test/e2e/a_test.go", `import "github.com/eclipse/paho.mqtt.golang"`, "only agent/internal/link may"},
		{"gopsutil", "agent/a.go", `import "github.com/shirou/gopsutil/v3/mem"`, "only agent/internal/readings may"},
		{"compose-go", "hub/cmd/muster-hub/a.go", `import "github.com/compose-spec/compose-go/v2/types"`, "only hub/compose and hub/cmd/muster may"},
		{"siblings", "hub/internal/api/a.go", `import "github.com/musterhq/muster/hub/internal/store"`, "meets its siblings"},
		{"siblings in tests", "agent/internal/loop/a_test.go", `import "github.com/musterhq/muster/agent/internal/cache"`, "meets its siblings"},
		{"hub and agent", "hub/a.go", `import "github.com/musterhq/muster/agent/brain"`, "meet on the wire only"},
		{"agent and hub", "agent/cmd/muster-agent/a.go", `import "github.com/musterhq/muster/hub/client"`, "meet on the wire only"},
		{"test code", "hub/a.go", `import "github.com/musterhq/muster/test/hosts"`, "don't stand on test code"},
		{"the drivers' suite", "test/lbtest/a.go", `import "github.com/musterhq/muster/agent/brain"`, "what they all go by"},
		{"examples", "examples/rank/a.go", `import "github.com/musterhq/muster/shared/fleet"`, "stands alone"},
		{"examples' tests", "examples/rank/a_test.go", `import "github.com/musterhq/muster/hub/client"`, "stands alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(violationsOf(t, c.path, "//go:build e2e\n\npackage a\n"+c.source), "\n")
			if !strings.Contains(got, c.want) || !strings.HasPrefix(got, c.path+" ") {
				t.Errorf("the violation reads %q, want it to name the file and say %q", got, c.want)
			}
		})
	}
}

func TestWhatIsAllowedPasses(t *testing.T) {
	for _, c := range []struct{ path, source string }{
		{"shared/wire/a.go", `import "github.com/musterhq/muster/shared/fleet"`},
		{"shared/wire/a_test.go", `import "pgregory.net/rapid"`},
		{"hub/turn/a.go", `import "github.com/musterhq/muster/hub/placement"`},
		{"hub/turn/a.go", "import \"time\"\nvar _ time.Duration"},
		{"hub/turn/a.go", "import \"net\"\nvar _ = net.JoinHostPort"},
		{"hub/turn/a_test.go", "import \"time\"\nvar _ = time.Now"},
		{"hub/internal/fleetloop/a.go", `import "github.com/musterhq/muster/hub/turn"`},
		{"agent/internal/engine/a.go", `import "github.com/docker/docker/client"`},
		{"agent/internal/engine/a_test.go", `import "github.com/musterhq/muster/test/hosts"`},
		{"hub/compose/resolve/a.go", `import "github.com/compose-spec/compose-go/v2/cli"`},
		{"hub/simtest/a.go", `import "github.com/musterhq/muster/agent/brain"`},
		{"agent/internal/balancer/nginx/a_test.go", `import "github.com/musterhq/muster/test/lbtest"`},
		{"test/lbtest/a.go", `import "github.com/musterhq/muster/agent/sequence"`},
		{"test/e2e/a.go", `import "github.com/musterhq/muster/hub/client"`},
		{"examples/rank/a_test.go", `import "github.com/musterhq/muster/hub/compose"`},
	} {
		if got := violationsOf(t, c.path, "package a\n"+c.source); len(got) > 0 {
			t.Errorf("%s with %s is refused: %s", c.path, c.source, got)
		}
	}
}

func violationsOf(t *testing.T, name, source string) []string {
	t.Helper()
	f, err := parse(name, source)
	if err != nil {
		t.Fatalf("parse the case: %v", err)
	}
	return violations(f)
}
