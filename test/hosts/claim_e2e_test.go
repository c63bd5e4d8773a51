//go:build e2e && soak

package hosts

import (
	"os"
	"sync"
	"testing"
)

// TestAClaimIsNeverHalf reads a claim while it is written again and again, as
// a sweep does when the owner is killed in between.
func TestAClaimIsNeverHalf(t *testing.T) {
	c := claim{Number: 0, Owner: self(), Dir: "/var/tmp/muster-hosts-mht-0"} // no fleet has the number 0
	unlock, err := lockState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(c.file()); err != nil {
			t.Error(err)
		}
	})
	var writing sync.WaitGroup
	writing.Go(func() {
		for range 3000 {
			if err := c.write(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 10_000 {
		if _, err := readClaim(c.file()); err != nil {
			t.Error(err)
			break
		}
	}
	writing.Wait()
}
