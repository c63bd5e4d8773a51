package compose

import "testing"

func TestQuoteDates(t *testing.T) {
	for file, want := range map[string]string{
		"":              "",
		"a: 1":          "a: 1",
		"a: [":          "a: [",
		"a: 2025-01-01": "a: '2025-01-01'",
		"a: 2025-01-01\r\n---\r\nb: [2025-01-01, 2025-01-02]\r\n": "a: '2025-01-01'\r\n---\r\nb: ['2025-01-01', '2025-01-02']\r\n",
		"ü: {ö: 2025-01-01, &x ä: &y 2025-01-02}":                 "ü: {ö: '2025-01-01', &x ä: &y '2025-01-02'}",
		"\ufeffa: 2025-01-01":                                     "\ufeffa: '2025-01-01'",
		"2025-01-01: !reset x":                                    "'2025-01-01': !reset x",
		"a: !!str 2025-01-01 # 2025-01-01":                        "a: !!str 2025-01-01 # 2025-01-01",
		"a: \"2025-01-01\"\nb: |\n  2025-01-01\nc: v2025-01-01":   "a: \"2025-01-01\"\nb: |\n  2025-01-01\nc: v2025-01-01",
	} {
		if got := string(QuoteDates([]byte(file))); got != want {
			t.Errorf("%q became %q", file, got)
		}
	}
}
