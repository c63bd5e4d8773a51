package compose

import "testing"

func TestMeant(t *testing.T) {
	for path, want := range map[string]string{
		"services.rank.imagee":                        "image",
		"services.rank.prots":                         "ports",
		"services.rank.enviroment":                    "environment",
		"services.rank.deploy.replcas":                "replicas",
		"services.rank.deploy.resources.limits.cpu":   "cpus",
		"services.rank.deploy.resources.limit.memory": "",
		"services.rank.image":                         "image",
		"services.rank.sidecar":                       "",
		"services.rank.a":                             "",
		"service":                                     "services",
		"services.rank":                               "",
		"":                                            "",
	} {
		if got := Meant(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
