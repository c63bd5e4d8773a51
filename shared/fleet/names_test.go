package fleet

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, test := range []struct {
		what     string
		validate func(string) error
		right    []string
		wrong    []string
	}{
		{"host", ValidateHost, []string{"a", "7", "web-1", long}, []string{"", "-a", "a-", "Web", "a.b", "a_b", "a/b", "ü", "a\n", long + "a"}},
		{"project", ValidateProject, []string{"a", "7_-", long}, []string{"", "-a", "_a", "Shop", "a.b", "a/b", "a\n", long + "a"}},
		{"service", ValidateServiceName, []string{"a", "Web.1_-", long}, []string{"", "-a", ".a", "_a", "a/b", "a b", "a\n", long + "a"}},
	} {
		for _, name := range test.right {
			if err := test.validate(name); err != nil {
				t.Errorf("%s %q: %v", test.what, name, err)
			}
		}
		for _, name := range test.wrong {
			if err := test.validate(name); CodeOf(err) != CodeInvalid {
				t.Errorf("%s %q: %v", test.what, name, err)
			}
		}
	}
}

func TestServiceKeyText(t *testing.T) {
	type box struct {
		Key  ServiceKey         `json:"key"`
		Left ServiceKey         `json:"left,omitzero"`
		Map  map[ServiceKey]int `json:"map"`
	}
	full := box{Key: web, Map: map[ServiceKey]int{web: 1}}
	data, err := json.Marshal(full)
	if err != nil || string(data) != `{"key":"shop/web","map":{"shop/web":1}}` {
		t.Errorf("%s, %v", data, err)
	}
	var read box
	if err := json.Unmarshal(data, &read); err != nil || read.Key != web || read.Map[web] != 1 {
		t.Errorf("%+v, %v", read, err)
	}
	empty, err := json.Marshal(ServiceKey{})
	if err != nil || string(empty) != `""` {
		t.Errorf("%s, %v", empty, err)
	}
	key := web
	if err := json.Unmarshal(empty, &key); err != nil || !key.IsZero() {
		t.Errorf("%v, %v", key, err)
	}
	for _, text := range []string{"shop", "/web", "shop/", "shop/web/1", "Shop/web", "shop/-web", "shop/web "} {
		if err := key.UnmarshalText([]byte(text)); CodeOf(err) != CodeInvalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBalancerKeyText(t *testing.T) {
	want := BalancerKey{Host: "web1", Name: "haproxy"}
	data, err := json.Marshal(map[BalancerKey]bool{want: true})
	if err != nil || string(data) != `{"web1/haproxy":true}` {
		t.Errorf("%s, %v", data, err)
	}
	var read map[BalancerKey]bool
	if err := json.Unmarshal(data, &read); err != nil || !read[want] {
		t.Errorf("%v, %v", read, err)
	}
	for _, text := range []string{"", "web1", "web1/", "/haproxy", "web1/My_LB", "web1/a/b"} {
		if err := new(BalancerKey).UnmarshalText([]byte(text)); CodeOf(err) != CodeInvalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeysHaveAnOrder(t *testing.T) {
	services := []ServiceKey{{"b", "a"}, {"a", "b"}, {"a", "a"}}
	slices.SortFunc(services, func(a, b ServiceKey) int { return order(a.Less(b), b.Less(a)) })
	if want := []ServiceKey{{"a", "a"}, {"a", "b"}, {"b", "a"}}; !slices.Equal(services, want) {
		t.Errorf("got %v", services)
	}
	balancers := []BalancerKey{{"b", "a"}, {"a", "b"}, {"a", "a"}}
	slices.SortFunc(balancers, func(a, b BalancerKey) int { return order(a.Less(b), b.Less(a)) })
	if want := []BalancerKey{{"a", "a"}, {"a", "b"}, {"b", "a"}}; !slices.Equal(balancers, want) {
		t.Errorf("got %v", balancers)
	}
}

func order(less, more bool) int {
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}

func TestComposedNames(t *testing.T) {
	for got, want := range map[string]string{
		ContainerName(web, 2, "1c-1"): "muster-shop-web-2-1c-1",
		VersionKey(web, 3):            "shop/web@3",
		Constraint{Label: "tier", Equal: true, Value: "web"}.String(): "label tier=web",
		Constraint{Label: LabelHostname, Value: "web1"}.String():      "hostname!=web1",
		BalancerKey{Host: "web1", Name: "haproxy"}.String():           "web1/haproxy",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
