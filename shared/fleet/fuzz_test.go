package fleet

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzNames: what is accepted as a name goes into topics, keys, files, labels
// and HAProxy's sections as it is, so it can't have anything that means
// something there; and keys are read as they were written.
func FuzzNames(f *testing.F) {
	for _, text := range []string{"shop/web", "shop/web@3", "shop/web@03", "a_b/C.d-e", "web1/haproxy", "web1", "Web1", "-a", "a-", "", "/", "a//b", "shop/web\n", "shöp/web"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for kind, validate := range map[string]func(string) error{"host": ValidateHost, "project": ValidateProject, "service": ValidateServiceName} {
			switch err := validate(text); {
			case err == nil && (text == "" || len(text) > 63 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != ""):
				t.Errorf("%q is a %s", text, kind)
			case err != nil && (CodeOf(err) != CodeInvalid || !strings.HasPrefix(err.Error(), kind+": ")):
				t.Errorf("refused with %v", err)
			}
		}
		if key, err := ParseServiceKey(text); err == nil && key.String() != text {
			t.Errorf("service %q is %q", text, key)
		}
		if key, version, err := ParseVersionKey(text); err == nil && VersionKey(key, version) != text {
			t.Errorf("version %q is %q", text, VersionKey(key, version))
		}
		var service ServiceKey
		wantSameKey(t, text, &service, func() string { return service.String() })
		var balancer BalancerKey
		wantSameKey(t, text, &balancer, func() string { return balancer.String() })
	})
}

// wantSameKey reads a key from JSON; what was accepted is its own text.
func wantSameKey(t *testing.T, text string, key interface{ UnmarshalText([]byte) error }, written func() string) {
	t.Helper()
	if err := key.UnmarshalText([]byte(text)); err == nil && text != "" && written() != text {
		t.Errorf("%T %q is %q", key, text, written())
	}
}

// FuzzDuration: a duration that is read is written so that it is the same
// when it is read again.
func FuzzDuration(f *testing.F) {
	for _, text := range []string{`"1m30s"`, `"0s"`, `"-5ms"`, `"1.5h"`, `"1µs"`, `30`, `null`, `"9223372036854775807ns"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var read, again Duration
		if json.Unmarshal([]byte(text), &read) != nil {
			return
		}
		written, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &again); err != nil || again != read {
			t.Errorf("%s is written as %s, and read as %s: %v", text, written, again, err)
		}
	})
}
