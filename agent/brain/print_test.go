package brain_test

import (
	"encoding/json"

	"github.com/musterhq/muster/agent/brain"
)

func jsonOf(v any) ([]byte, error) { return json.Marshal(v) }

func decodeCache(t tester, disk []byte) brain.Cache {
	var cache brain.Cache
	if err := json.Unmarshal(disk, &cache); err != nil {
		t.Fatal(err)
	}
	return cache
}

// printable is what outputs say, pointers followed.
func printable(out brain.Outputs) string { return string(must(json.Marshal(out))) }
