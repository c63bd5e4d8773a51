//go:build e2e && soak

package haproxy

import (
	"testing"

	"github.com/musterhq/muster/test/lbtest"
)

func TestRollingReplacementsLoseNothing(t *testing.T) {
	lbtest.RollingReplacementsLoseNothing(t, driver())
}

func TestRollingReplacementsWithoutTheBarrierLose(t *testing.T) {
	lbtest.RollingReplacementsWithoutTheBarrierLose(t, driver())
}

func TestForcedReloadsLoseNothing(t *testing.T) {
	lbtest.ForcedReloadsLoseNothing(t, driver())
}
