package api

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func body(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

var passwordKey = fleet.SecretKey{Project: "shop", Name: "db"}

func TestSecretOrders(t *testing.T) {
	s := serve(t)
	sealed := fakeSealer{}.Secret(passwordKey, []byte("hunter2\x00"))
	login, _ := fakeSealer{}.Registry("localhost:5000", fleet.Credentials{Username: "ann", Password: "hunter2"})
	for _, c := range []struct {
		method, path, body string
		want               fleet.Command
	}{
		{"PUT", "/v1/projects/shop/secrets/db", body(t, map[string][]byte{"value": []byte("hunter2\x00")}), fleet.Command{Do: "secret-set", Secret: passwordKey, Sealed: &sealed}},
		{"DELETE", "/v1/projects/shop/secrets/db", "", fleet.Command{Do: "secret-remove", Secret: passwordKey}},
		{"PUT", "/v1/registries/localhost:5000", `{"username":"ann","password":"hunter2"}`, fleet.Command{Do: "registry-set", Registry: "localhost:5000", Username: "ann", Sealed: &login}},
		{"DELETE", "/v1/registries/index.docker.io", "", fleet.Command{Do: "registry-remove", Registry: "docker.io"}},
		{"POST", "/v1/projects/shop/apply", body(t, map[string]any{"document": "a: 1", "secrets": map[string][]byte{"db": []byte("hunter2\x00")}}), fleet.Command{
			Do: "apply", Project: "shop", Services: []fleet.Service{{Key: db}, {Key: web}}, Document: "a: 1", Warnings: []string{"warned"}, Secrets: map[string]fleet.SealedValue{"db": sealed},
		}},
	} {
		if a := s.call(c.method, c.path, c.body); a.status != 200 || strings.Contains(a.body, "hunter2") {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
			continue
		}
		got := s.fleet.last(t)
		if got.ID == "" || got.Actor == "" {
			t.Errorf("%s: %+v", c.path, got)
		}
		got.ID, got.Actor, got.By = "", "", fleet.Principal{}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s: command %+v; want %+v", c.method, c.path, got, c.want)
		}
		if raw := body(t, got); strings.Contains(raw, base64.StdEncoding.EncodeToString([]byte("hunter2"))[:8]) || strings.Contains(raw, "hunter2") {
			t.Errorf("the command has the clear value: %s", raw)
		}
	}
	if log := s.log.String(); strings.Contains(log, "hunter2") || strings.Contains(log, base64.StdEncoding.EncodeToString([]byte("hunter2"))[:8]) {
		t.Errorf("the log has it: %s", log)
	}
}

// An answer that refuses a value doesn't show it.
func TestBadSecretOrders(t *testing.T) {
	s := serve(t)
	const path = "/v1/projects/shop/secrets/db"
	b64 := base64.StdEncoding.EncodeToString
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"empty":                {path, `{"value":""}`, 422},
		"nothing":              {path, `{}`, 422},
		"not base64":           {path, `{"value":"hunter2!"}`, 422},
		"a number":             {path, `{"value":4711}`, 422},
		"not JSON":             {path, `{"value":"hunter2`, 400},
		"too large":            {path, `{"value":"` + b64([]byte(strings.Repeat("hunter2", fleet.MaxSecret/7+1))) + `"}`, 422},
		"far too large":        {path, `{"value":"` + strings.Repeat("hunter2", 1<<16) + `"}`, 413},
		"another field":        {path, `{"value":"aHVudGVyMg==","hunter2":1}`, 422},
		"a bad name":           {"/v1/projects/shop/secrets/.db", `{"value":"aHVudGVyMg=="}`, 422},
		"a way out":            {"/v1/projects/shop/secrets/..%2F..%2Fdb", `{"value":"aHVudGVyMg=="}`, 422},
		"no registry":          {"/v1/registries/a%20b", `{"username":"ann","password":"hunter2"}`, 422},
		"no user":              {"/v1/registries/localhost", `{"password":"hunter2"}`, 422},
		"no password":          {"/v1/registries/localhost", `{"username":"ann","password":""}`, 422},
		"a list as a password": {"/v1/registries/localhost", `{"username":"ann","password":["hunter2"]}`, 422},
		"a long password":      {"/v1/registries/localhost", `{"username":"ann","password":"` + strings.Repeat("hunter2", 1000) + `"}`, 422},
	} {
		a := s.call("PUT", c.path, c.body)
		shown := name != "another field" && strings.Contains(a.body, "hunter2")
		if a.status != c.status || shown || strings.Contains(a.body, "aHVudGVyMg") || strings.Contains(a.body, "4711") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	a := s.call("POST", "/v1/projects/shop/apply", `{"document":"a: 1","secrets":{"db":"hunter2!"}}`)
	if a.status != 422 || strings.Contains(a.body, "hunter2") || !strings.Contains(a.body, "secrets.db") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if len(s.fleet.commands) > 0 {
		t.Errorf("orders were given: %+v", s.fleet.commands)
	}
	if strings.Contains(s.log.String(), "hunter2") {
		t.Errorf("the log has it: %s", s.log.String())
	}
}

func TestSecretLists(t *testing.T) {
	s := serve(t)
	if got := decode[List[fleet.SecretView]](t, s.get("/v1/secrets?project=shop")); len(got.Items) != 1 || got.Items[0].Key != passwordKey || got.Revision != revisionNow {
		t.Errorf("%+v", got)
	}
	if got := decode[List[fleet.SecretView]](t, s.get("/v1/secrets?project=other")); got.Items == nil || len(got.Items) != 0 {
		t.Errorf("%+v", got)
	}
	if got := decode[List[fleet.RegistryView]](t, s.get("/v1/registries")); len(got.Items) != 1 || got.Items[0].Username != "ann" {
		t.Errorf("%+v", got)
	}
}
