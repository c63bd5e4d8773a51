package orders_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/orders"
)

var row = regexp.MustCompile("(?m)^\\| `([^`{]+)` \\| `(\\{[^`]+\\})` \\| ")

// TestThePageHasEveryCommand: docs/commands.md has a row for each, and its two forms
// say the same.
func TestThePageHasEveryCommand(t *testing.T) {
	raw, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(raw), "\n## About a host\n")
	host, rest, _ := strings.Cut(page, "\n## About a service\n")
	service, _, found := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("the page is written in another way")
	}
	for about, text := range map[orders.About]string{orders.Host: host, orders.Service: service} {
		rows := row.FindAllStringSubmatch(text, -1)
		if len(rows) != len(orders.Words(about)) {
			t.Errorf("%d commands about a %s are on the page, there are %d", len(rows), about, len(orders.Words(about)))
		}
		for i, word := range orders.Words(about) {
			if i >= len(rows) {
				break
			}
			a, err := orders.Parse(about, []byte(rows[i][1]))
			b, errToo := orders.Parse(about, []byte(rows[i][2]))
			if err != nil || errToo != nil || !reflect.DeepEqual(a, b) || a.Do != word.Name {
				t.Errorf("row %d, of %s: %s is %+v (%v), %s is %+v (%v)", i+1, word.Name, rows[i][1], a, err, rows[i][2], b, errToo)
			}
		}
	}
}
