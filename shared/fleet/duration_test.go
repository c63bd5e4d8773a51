package fleet

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"1m30s"`: 90 * time.Second,
		`"0s"`:    0,
		`"500ms"`: 500 * time.Millisecond,
		`"-2s"`:   -2 * time.Second,
	} {
		var d Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || d.D() != want {
			t.Errorf("%s: %s, %v", text, d, err)
		}
		if again, err := json.Marshal(d); err != nil || string(again) != text {
			t.Errorf("%s is written as %s, %v", text, again, err)
		}
	}
	for _, text := range []string{`""`, `"10"`, `10`, `null1`, `"ten seconds"`, `{}`} {
		if err := json.Unmarshal([]byte(text), new(Duration)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func TestDurationOr(t *testing.T) {
	if got := Duration(0).Or(time.Minute); got != time.Minute {
		t.Errorf("zero: %s", got)
	}
	if got := Duration(time.Second).Or(time.Minute); got != time.Second {
		t.Errorf("one second: %s", got)
	}
}
