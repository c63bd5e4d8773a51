package compose

import (
	"reflect"
	"testing"
)

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

// FuzzQuoteDates: whatever the file is, it means the same to the hub, which
// keeps dates by itself.
func FuzzQuoteDates(f *testing.F) {
	f.Add([]byte("a: 2025-01-01\nb: [2025-01-01, &x 2025-1-2 3:4:5]\n? 2025-01-01\n: ü\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		want, err := decodeTree(file)
		if err != nil {
			return
		}
		quoted := QuoteDates(file)
		if got, err := decodeTree(quoted); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q became %q: %v", file, quoted, err)
		}
	})
}
