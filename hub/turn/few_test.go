package turn

import (
	"fmt"
	"strings"
	"testing"
)

func TestManyReasonsAreCutShort(t *testing.T) {
	var reasons []string
	for i := range 30 {
		reasons = append(reasons, fmt.Sprintf("reason %d", i))
	}
	if got := few(reasons[:mostReasons]); len(got) != mostReasons {
		t.Errorf("%d are told: %v", len(got), got)
	}
	got := few(append(reasons, heldPrefix+"its data is on web1"))
	if len(got) != mostReasons+1 || got[0] != heldPrefix+"its data is on web1" || got[1] != "reason 0" || got[mostReasons] != "and 11 reasons more" {
		t.Errorf("told are %q", got)
	}
	for i := range reasons {
		reasons[i] = heldPrefix + reasons[i]
	}
	if got = few(reasons); !strings.HasPrefix(got[mostReasons], heldPrefix) {
		t.Errorf("what is left out holds it too: %q", got[mostReasons])
	}
}
