package fleet

import "testing"

func TestClip(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "0123456789": "0123456789", "0123456789a": "0123456…", "ééééé": "ééééé", "éééééé": "ééé…",
	} {
		if got := Clip(text, 10); got != want || len(got) > 10 {
			t.Errorf("%q is clipped to %q, want %q", text, got, want)
		}
	}
}
