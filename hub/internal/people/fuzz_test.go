package people

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzToken: what is taken for a token is exactly what was written as one.
func FuzzToken(f *testing.F) {
	f.Add(newBearer().text())
	f.Add("mst_")
	f.Add("mst_aaaaaaaaaaaaaaaa_" + strings.Repeat("a", 52))
	f.Add("mst_aaaaaaaaaaaaaaaa_" + strings.Repeat("b", 52)) // bits that belong to nothing
	f.Add("mst_AAAAAAAAAAAAAAAA_" + strings.Repeat("a", 52))
	f.Fuzz(func(t *testing.T, text string) {
		b, ok := parseBearer(text)
		if ok != (b != bearer{}) || ok && b.text() != text {
			t.Errorf("%q is read as %+v, %v", text, b, ok)
		}
		if ok && !b.matches(b.sum()) || b.matches(nil) {
			t.Error("it doesn't match itself, or matches nothing")
		}
	})
}

// FuzzPHC: what is read is what would be written, and asks for no more memory than
// it may.
func FuzzPHC(f *testing.F) {
	h := hashPassword("secret", cheap).String()
	f.Add(h)
	f.Add(strings.Replace(h, "m=16", "m=4294967295", 1))
	f.Add(strings.Replace(h, "p=1", "p=0", 1))
	f.Add(strings.Replace(h, "v=19", "v=16", 1))
	f.Add("$argon2id$v=19$m=16,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parsePHC(text)
		if err != nil {
			return
		}
		if h.String() != text || h.cost.Memory > mostMemory || h.cost.Passes > mostPasses || len(h.sum) != hashBytes {
			t.Errorf("%q is read as %+v", text, h)
		}
	})
}

// FuzzRecords: a record that is taken names somebody properly, has a role that there
// is, and is written as it was read.
func FuzzRecords(f *testing.F) {
	b := newBearer()
	phc := hashPassword("secret", cheap).String()
	f.Add("ann", put("", "", account{Role: fleet.RoleAdmin, Password: phc}).Value)
	f.Add("ann", []byte(`{"role":"root"}`))
	f.Add("ann", []byte(`{"role":"admin","may":"all"}`))
	f.Add(b.id, put("", "", token{Account: "ann", Name: "ci", Role: fleet.RoleViewer, Sum: b.sum()}).Value)
	f.Add(b.id, []byte(`{"account":"ann","sum":"AAAA"}`))
	f.Add(b.id, []byte(`{}{}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if a, err := parseAccount(key, value); err == nil {
			if fleet.ValidateAccount(key) != nil || a.Role.Validate() != nil {
				t.Errorf("account %q: %+v", key, a)
			}
			again, err := parseAccount(key, put("", "", a).Value)
			if err != nil || !same(a, again) {
				t.Errorf("%+v is read back as %+v, %v", a, again, err)
			}
		}
		if r, err := parseToken(key, value); err == nil {
			if fleet.ValidateAccount(r.Account) != nil || len(r.Sum) != secretBytes || r.session() && r.Expires.IsZero() || !r.session() && r.Role.Validate() != nil {
				t.Errorf("token %q: %+v", key, r)
			}
			again, err := parseToken(key, put("", "", r).Value)
			if err != nil || !same(r, again) {
				t.Errorf("%+v is read back as %+v, %v", r, again, err)
			}
		}
	})
}

func same(a, b any) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(x) == string(y)
}
