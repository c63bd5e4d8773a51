package orders_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
)

var update = flag.Bool("update", false, "write the golden file anew")

func TestBothFormsSayTheSame(t *testing.T) {
	later := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	tests := []struct {
		about      orders.About
		text, json string
		want       orders.Order
	}{
		{orders.Host, "restart rank", `{"do":"restart","args":{"service":"rank"}}`, orders.Order{Do: "restart", Service: "rank"}},
		{orders.Host, " restart\tshop/rank --id r1\n", `{"id":"r1","do":"restart","args":{"service":"shop/rank"}}`, orders.Order{ID: "r1", Do: "restart", Service: "shop/rank"}},
		{orders.Host, "--dry-run stop rank --id=r_2-A", `{"id":"r_2-A","do":"stop","args":{"service":"rank"},"dryRun":true}`, orders.Order{ID: "r_2-A", Do: "stop", Service: "rank", DryRun: true}},
		{orders.Host, "logs rank", `{"do":"logs","args":{"service":"rank"}}`, orders.Order{Do: "logs", Service: "rank"}},
		{orders.Host, "logs rank 50", `{"do":"logs","args":{"service":"rank","lines":50}}`, orders.Order{Do: "logs", Service: "rank", Lines: 50}},
		{orders.Host, "check", `{"do":"check"}`, orders.Order{Do: "check"}},
		{orders.Host, "check rank", `{"do":"check","args":{"service":"rank"}}`, orders.Order{Do: "check", Service: "rank"}},
		{orders.Host, "ping --not-after 2026-01-02T15:04:05Z", `{"do":"ping","notAfter":"2026-01-02T15:04:05Z"}`, orders.Order{Do: "ping", NotAfter: later}},
		{orders.Host, "drain", `{"do":"drain","args":{}}`, orders.Order{Do: "drain"}},
		{orders.Host, "maintenance", `{"do":"maintenance"}`, orders.Order{Do: "maintenance"}},
		{orders.Host, "maintenance 2h --drain --id m1 --reason disk  swap --id is none", `{"id":"m1","do":"maintenance","args":{"for":"120m","drain":true,"reason":"disk swap --id is none"}}`,
			orders.Order{ID: "m1", Do: "maintenance", For: 2 * time.Hour, Drain: true, Reason: "disk swap --id is none"}},
		{orders.Service, "rebalance --dry-run", `{"do":"rebalance","dryRun":true}`, orders.Order{Do: "rebalance", DryRun: true}},
		{orders.Service, "scale 5", `{"do":"scale","args":{"count":5}}`, orders.Order{Do: "scale", Count: 5}},
		{orders.Service, "scale 0", `{"do":"scale","args":{"count":0}}`, orders.Order{Do: "scale"}},
		{orders.Service, "rollback", `{"do":"rollback","args":null}`, orders.Order{Do: "rollback"}},
		{orders.Service, "rollback 3", `{"do":"rollback","args":{"version":3}}`, orders.Order{Do: "rollback", Version: 3}},
		{orders.Service, "promote --fully", `{"do":"promote","args":{"fully":true}}`, orders.Order{Do: "promote", Fully: true}},
	}
	for _, test := range tests {
		for _, payload := range []string{test.text, test.json} {
			got, err := orders.Parse(test.about, []byte(payload))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s is %+v, %v, want %+v", payload, got, err, test.want)
			}
		}
	}
}

// TestEveryWordIsRead: each command is read as it is written in the list of all.
func TestEveryWordIsRead(t *testing.T) {
	values := map[string]string{"SERVICE": "shop/rank", "LINES": "5", "COUNT": "5", "VERSION": "5", "FOR": "2h0m0s"}
	for _, about := range []orders.About{orders.Host, orders.Service} {
		for _, w := range orders.Words(about) {
			text := w.Name
			for _, arg := range strings.Fields(w.Takes) {
				value, known := values[strings.Trim(arg, "[]")]
				if !known {
					t.Fatalf("%s takes %s, which is nothing", w.Name, arg)
				}
				text += " " + value
			}
			if o, err := orders.Parse(about, []byte(text)); err != nil || o.String() != text {
				t.Errorf("%q is read as %q, %v", text, o, err)
			}
			if w.Help == "" {
				t.Errorf("nobody says what %s does", w.Name)
			}
		}
	}
}

// refused are commands that are none. What is said of them is in the golden file.
var refused = []struct {
	about   orders.About
	payload string
}{
	{orders.Host, ""},
	{orders.Host, " \n"},
	{orders.Host, "\xff\xfe"},
	{orders.Host, "reboot"},
	{orders.Host, "scale 5"},
	{orders.Host, "restart"},
	{orders.Host, "restart rank now"},
	{orders.Host, "restart shop/a/b"},
	{orders.Host, "restart ../etc"},
	{orders.Host, "ping web1"},
	{orders.Host, "logs rank many"},
	{orders.Host, "logs rank 0"},
	{orders.Host, "logs rank 1000000"},
	{orders.Host, "check a b"},
	{orders.Host, "restart rank --force"},
	{orders.Host, "restart rank --id"},
	{orders.Host, "restart rank --id muster/v1/#"},
	{orders.Host, "restart rank --dry-run=no"},
	{orders.Host, "restart rank --fully"},
	{orders.Host, "restart rank --not-after tomorrow"},
	{orders.Host, "--id r1"},
	{orders.Host, "maintenance long"},
	{orders.Host, "maintenance -1h"},
	{orders.Host, "drain --reason disk swap"},
	{orders.Host, `{"do":"maintenance","args":{"for":7200}}`},
	{orders.Host, `{"do":"maintenance","args":{"drain":"yes"}}`},
	{orders.Service, "restart rank"},
	{orders.Service, "scale"},
	{orders.Service, "scale -1"},
	{orders.Service, "scale five"},
	{orders.Service, "rollback 0"},
	{orders.Service, "drain"},
	{orders.Host, `{`},
	{orders.Host, `{"do":"ping"} {"do":"drain"}`},
	{orders.Host, `{"do":"reboot"}`},
	{orders.Host, `{"id":"r1"}`},
	{orders.Host, `{"id":7,"do":"ping"}`},
	{orders.Host, `{"id":"a b","do":"ping"}`},
	{orders.Host, `{"do":"ping","answerTo":"muster/v1/hosts/web2/desired"}`},
	{orders.Host, `{"DO":"ping"}`},
	{orders.Host, `{"do":"ping","notAfter":"soon"}`},
	{orders.Host, `{"do":"ping","dryRun":"yes"}`},
	{orders.Host, `{"do":"ping","args":{"service":"rank"}}`},
	{orders.Host, `{"do":"restart"}`},
	{orders.Host, `{"do":"restart","args":{"service":5}}`},
	{orders.Host, `{"do":"restart","args":{"service":null}}`},
	{orders.Host, `{"do":"logs","args":{"service":"rank","lines":"50"}}`},
	{orders.Host, `{"do":"logs","args":{"service":"rank","tail":50}}`},
	{orders.Service, `{"do":"scale","args":{"count":2.5}}`},
	{orders.Service, `{"do":"promote","args":{"fully":1}}`},
	{orders.Service, `{"do":"scale","args":[5]}`},
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	var text strings.Builder
	for _, r := range refused {
		o, err := orders.Parse(r.about, []byte(r.payload))
		if err == nil {
			t.Errorf("%q is taken as %+v", r.payload, o)
			continue
		}
		if fleet.CodeOf(err) != fleet.CodeInvalid {
			t.Errorf("%q: code %s", r.payload, fleet.CodeOf(err))
		}
		fmt.Fprintf(&text, "%s %q\n    %v\n", r.about, r.payload, err)
	}
	const file = "testdata/refused.txt"
	if *update {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("it is said\n%s\nand not what %s has (go test ./hub/orders -update)", text.String(), file)
	}
}

func TestAWrongCommandKeepsItsName(t *testing.T) {
	for _, payload := range []string{"reboot --id r1", `{"id":"r1","do":"reboot"}`, `{"id":"r1","do":"ping","more":1}`, "restart --id r1 --force"} {
		if o, err := orders.Parse(orders.Host, []byte(payload)); err == nil || o.ID != "r1" {
			t.Errorf("%s: id %q, %v", payload, o.ID, err)
		}
	}
	if _, err := orders.Parse(orders.Host, []byte("ping "+strings.Repeat(" ", fleet.MaxCommand))); err == nil {
		t.Error("too much is taken")
	}
}

// FuzzParse: whatever comes, what is taken is a command that is read from its
// own text again, and what isn't says why.
func FuzzParse(f *testing.F) {
	for _, r := range refused {
		f.Add(r.payload)
	}
	f.Add(`{"id":"r1","do":"logs","args":{"service":"shop/rank","lines":5},"notAfter":"2026-01-02T15:04:05Z","dryRun":true}`)
	f.Add("promote --fully --id r1")
	f.Fuzz(func(t *testing.T, payload string) {
		for _, about := range []orders.About{orders.Host, orders.Service} {
			o, err := orders.Parse(about, []byte(payload))
			if o.ID != "" && (len(o.ID) > 64 || strings.ContainsAny(o.ID, "/+#\x00 ")) {
				t.Fatalf("the id %q is taken", o.ID)
			}
			if err != nil {
				if fleet.CodeOf(err) != fleet.CodeInvalid || len(err.Error()) > 2000 {
					t.Fatalf("it is refused with %v", err)
				}
				continue
			}
			w, known := orders.Find(about, o.Do)
			again, err := orders.Parse(about, []byte(o.String()))
			again.ID, again.DryRun, again.NotAfter = o.ID, o.DryRun, o.NotAfter
			if !known || w.Name == "" || err != nil || !reflect.DeepEqual(again, o) {
				t.Fatalf("%+v is written %q, and read as %+v, %v", o, o, again, err)
			}
		}
	})
}
