package policy

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// table is what each may, said apart from the rules.
var table = []struct {
	topic string
	read  string // who may: h the host web1, v viewers, o operators, a admins
	write string
	keep  string
}{
	{"muster/v1/hosts/web1/desired", "ha", "", ""},
	{"muster/v1/hosts/web2/desired", "a", "", ""},
	{"muster/v1/hosts/+/desired", "a", "", ""},
	{"muster/v1/hosts/web1/desired/more", "a", "", ""},
	{"muster/v1/hosts/web1/ask", "h", "", ""},
	{"muster/v1/hosts/+/ask", "", "", ""},
	{"muster/v1/hosts/web1/ack", "hvoa", "", ""},
	{"muster/v1/hosts/web1/pools/shop/web", "hvoa", "", ""},
	{"muster/v1/hosts/web1/pools/+/+", "hvoa", "", ""},
	{"muster/v1/hosts/web1/pools/#", "voa", "", ""},
	{"muster/v1/hosts/web1/pools/shop", "voa", "", ""},
	{"muster/v1/hosts/web1/pools//web", "voa", "", ""},
	{"muster/v1/hosts/web2/pools/shop/web", "voa", "", ""},
	{"muster/v1/hosts/web1/actual", "voa", "h", "h"},
	{"muster/v1/hosts/web1/presence", "voa", "h", "h"},
	{"muster/v1/hosts/web1/events", "voa", "h", ""},
	{"muster/v1/hosts/web1/metrics", "voa", "h", ""},
	{"muster/v1/hosts/web1/result/4711", "voa", "h", ""},
	{"muster/v1/hosts/web1/result", "voa", "", ""},
	{"muster/v1/hosts/web1/result/a/b", "voa", "", ""},
	{"muster/v1/hosts/web2/actual", "voa", "", ""},
	{"muster/v1/hosts/web11/presence", "voa", "", ""},
	{"muster/v1/hosts/web1/command", "voa", "oa", ""},
	{"muster/v1/hosts/+/command", "voa", "oa", ""}, // nobody can publish to a wildcard
	{"muster/v1/hosts/web1/command/more", "voa", "", ""},
	{"muster/v1/services/shop/web/command", "voa", "oa", ""},
	{"muster/v1/services/shop/web/status", "voa", "", ""},
	{"muster/v1/services/shop/command", "voa", "", ""},
	{"muster/v1/hub/state", "voa", "", ""},
	{"muster/v1/events/muster.host.lost", "voa", "", ""},
	{"muster/v1/#", "voa", "", ""},
	{"muster/v1/hosts/web1/#", "voa", "", ""},
	{"muster/v1/hosts/web1/+", "voa", "", ""},
	{"muster/v1", "", "", ""},
	{"muster/v1/", "voa", "", ""},
	{"#", "", "", ""},
	{"+/v1/#", "", "", ""},
	{"muster/v2/hosts/web1/actual", "", "", ""},
	{"$SYS/#", "", "", ""},
	{"$share/g/muster/v1/#", "", "", ""},
	{"", "", "", ""},
}

func TestWhoMayWhat(t *testing.T) {
	subjects := map[string]Subject{
		"h": For(Host, "web1"), "v": For(fleet.RoleViewer, ""), "o": For(fleet.RoleOperator, ""), "a": For(fleet.RoleAdmin, ""),
		"-": For(Host, ""), "?": For("", ""),
	}
	for _, row := range table {
		for who, s := range subjects {
			for access, want := range map[string]struct {
				may   bool
				those string
			}{
				"read": {s.MayRead(row.topic), row.read}, "write": {s.MayWrite(row.topic), row.write}, "retain": {s.MayRetain(row.topic), row.keep},
			} {
				if want.may != strings.Contains(want.those, who) {
					t.Errorf("%s may %s %q: %v", who, access, row.topic, want.may)
				}
			}
		}
	}
}

func TestAskingCostsNothing(t *testing.T) {
	s := For(Host, "web1")
	if n := testing.AllocsPerRun(100, func() { s.MayRead("muster/v1/hosts/web1/ack"); s.MayWrite("muster/v1/hosts/web1/presence") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a role may, the roles above it may, too.
func TestRolesGrow(t *testing.T) {
	for i, role := range fleet.Roles[1:] {
		less, more := For(fleet.Roles[i], ""), For(role, "")
		for _, row := range table {
			if less.MayRead(row.topic) && !more.MayRead(row.topic) || less.MayWrite(row.topic) && !more.MayWrite(row.topic) {
				t.Errorf("%s may less with %q than %s", role, row.topic, fleet.Roles[i])
			}
		}
	}
}

func FuzzMay(f *testing.F) {
	for _, row := range table {
		f.Add(row.topic)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		for _, s := range []Subject{For(Host, "web1"), For(fleet.RoleViewer, ""), For(fleet.RoleAdmin, "")} {
			if (s.MayRead(topic) || s.MayWrite(topic)) && !strings.HasPrefix(topic, "muster/v1/") {
				t.Errorf("%q is allowed", topic)
			}
		}
		if h := For(Host, "web1"); (h.MayRead(topic) || h.MayWrite(topic)) && !strings.HasPrefix(topic, "muster/v1/hosts/web1/") {
			t.Errorf("web1 may %q", topic)
		}
		if For(fleet.RoleViewer, "").MayWrite(topic) {
			t.Errorf("a viewer writes %q", topic)
		}
	})
}
