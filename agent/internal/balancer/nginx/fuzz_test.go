package nginx

import (
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzStatus: of an answer there is a version and a structure, or none.
func FuzzStatus(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n1.22.1 77 7871368ba46cd0158779c19b7b469dd2\n")
	f.Add("HTTP/1.1 404 Not Found\r\n\r\na b")
	f.Add("")
	f.Fuzz(func(t *testing.T, answer string) {
		said, err := parseStatus(answer)
		if (err == nil) == (said == status{}) || err == nil && (said.version == "" || said.structure == "") {
			t.Errorf("%+v, %v", said, err)
		}
	})
}

// FuzzSockets: only connections of the workers' own inodes are read, with both ends.
func FuzzSockets(f *testing.F) {
	f.Add("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"+
		"   0: 0100007F:1F90 0200007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 77 1 0000000000000000 20 4 30 10 -1\n", "77")
	f.Add("   0: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000001000000:9C40 01 0 0 0 0 0 77 1", "77")
	f.Add("a b 0G:1 03 4 5 6 7 8 9", "9")
	f.Fuzz(func(t *testing.T, table, inode string) {
		all := parseSockets(table, map[string]bool{inode: true})
		if len(all) > strings.Count(table, "\n")+1 || len(all) > 0 && !strings.Contains(table, inode) {
			t.Errorf("%v of inode %q", all, inode)
		}
		for _, one := range all {
			if !one.local.IsValid() || !one.remote.IsValid() {
				t.Errorf("%+v", one)
			}
		}
	})
}

func TestSocketsOfTheKernel(t *testing.T) {
	all := parseSockets("0: 0100007F:1F90 0200007F:9C40 01 0 0 0 0 0 77 1\n1: 0100007F:1F90 00000000:0000 0A 0 0 0 0 0 77\n"+
		"2: 0000000000000000FFFF00000100007F:1F91 B80D0120000000000000000002000000:9C40 01 0 0 0 0 0 78 1\n", map[string]bool{"77": true, "78": true})
	var ends []string
	for _, one := range all {
		ends = append(ends, one.local.String()+" "+one.remote.String())
	}
	if !slices.Equal(ends, []string{"127.0.0.1:8080 127.0.0.2:40000", "127.0.0.1:8081 [2001:db8::2]:40000"}) {
		t.Errorf("%q", ends)
	}
	open := all
	if open.to("ipv4@127.0.0.2:40000") != 1 || open.to("ipv6@2001:db8::2:40000") != 1 || open.to("nowhere") != 0 || open.at(8080) != 1 || open.at(80) != 0 {
		t.Errorf("%v is counted wrongly", all)
	}
}

// FuzzLog: a line counts one request at most, and failures are among the requests.
func FuzzLog(f *testing.F) {
	for _, line := range []string{
		"<190>Nov 26 14:00:00 muster: muster|http|10.0.0.1:20001|200|0.004",
		"muster|http|10.0.0.9:1, 10.0.0.1:20001|502, 200|0.001, 0.004", "muster|http|10.0.0.1:20001|502|-", "muster|tcp|10.0.0.1:20001|200|0.000",
		"muster|http|10.0.0.1:20001 : 10.0.0.1:20001||", "muster|http|-|-|-", "", "muster|||", "muster|http|10.0.0.1:20001|200|NaN", "muster|http|10.0.0.1:20001|200|1e300",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		l := &ledger{}
		l.follow([]fleet.Pool{{Measure: true, Endpoints: []fleet.Endpoint{
			{Instance: "a", Address: "10.0.0.1", Ports: map[int]int{80: 20001}}, {Instance: "b", Address: "10.0.0.9", Ports: map[int]int{80: 1}},
		}}})
		l.count(line)
		var all account
		for _, a := range l.accounts {
			all.requests, all.failed = all.requests+a.requests, all.failed+a.failed
			if a.failed > a.requests || a.average < 0 || a.average != a.average || a.average > maxAverage {
				t.Errorf("%q: %+v", line, *a)
			}
		}
		if all.requests > 1 {
			t.Errorf("%q: %+v", line, all)
		}
	})
}

// FuzzAlerts: what nginx complained about is in it, and never where its file is.
func FuzzAlerts(f *testing.F) {
	f.Add("nginx: [emerg] unknown directive \"x\" in /var/lib/muster/lb/nginx.conf.new:45\nnginx: configuration file /x test failed\n")
	f.Add("2026/11/26 14:00:00 [emerg] 77#77: bind() to 0.0.0.0:80 failed (98: Address already in use)\n")
	f.Add("[emerg] : ")
	f.Fuzz(func(t *testing.T, output string) {
		said := alerts(output)
		if said == "" && !strings.Contains(output, "[emerg]") {
			t.Error("nothing is said")
		}
		for part := range strings.SplitSeq(said, "; ") {
			if part != "nginx failed" && !strings.Contains(output, part) {
				t.Errorf("%q isn't in %q", part, output)
			}
		}
	})
}
