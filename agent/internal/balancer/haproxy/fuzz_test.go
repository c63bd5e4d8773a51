package haproxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// Answers of HAProxy 2.6, some columns left out.
const (
	someStat = `# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,status,weight,check_status,srv_icur,addr,
f:shop:web:8080,FRONTEND,,,1,2,5000,10,200,300,OPEN,,,,,
b:shop:web:80,1a-1,0,0,1,1,,5,100,150,UP,128,L7OK,2,10.0.0.1:20001,
b:shop:web:80,1a-2,0,0,3,1,,5,100,150,DRAIN 1/2,0,* L7STS,,"10.0.0.2:20002",
b:shop:web:80,BACKEND,0,0,1,2,500,10,200,300,UP,128,,,,

`
	someState = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port
4 b:shop:web:80 1 1a-1 10.0.0.1 2 0 128 128 20001
4 b:shop:web:80 2 1a-2 fd00::2 2 8 0 128 20002

`
	someProcesses = `#<PID>          <type>          <reloads>       <uptime>        <version>
3077            master          2 [failed: 1]   0d00h01m52s     2.6.12-1+deb12u4
# workers
9258            worker          0               0d00h00m01s     2.6.12-1+deb12u4
# old workers
3078            worker          1               0d00h01m52s     2.6.12-1+deb12u4
# programs

`
)

// FuzzServers: of HAProxy's tables a server is read that the file could have,
// in one of the known states; or none.
func FuzzServers(f *testing.F) {
	f.Add(someState, someStat)
	f.Add(someState, "")
	f.Add("", someStat)
	f.Add(strings.ReplaceAll(someState, "10.0.0.1", "-"), someStat)
	f.Add(someState, strings.ReplaceAll(someStat, ",", "\",\""))
	f.Fuzz(func(t *testing.T, state, stat string) {
		rows, err := statistics(stat)
		if err != nil && len(rows) > 0 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
		servers, err := parseServers(state, rows)
		if err != nil || len(servers) > strings.Count(state, "\n")+1 {
			if err == nil || len(servers) > 0 {
				t.Errorf("%d servers, %v", len(servers), err)
			}
			return
		}
		for _, s := range servers {
			_, address, _ := strings.Cut(s.Address, "@")
			if _, err := netip.ParseAddrPort(bracketed(address)); err != nil && !strings.Contains(err.Error(), "port") {
				t.Errorf("%+v: %v", s, err)
			}
			if _, _, _, ok := lbconf.ParseName(lbconf.BackendName(s.Service, s.Target)); !ok {
				t.Errorf("%+v is in no backend", s)
			}
			if s.State == "" || s.Check != fleet.CheckUnknown && s.Check != fleet.CheckPassing && s.Check != fleet.CheckFailing {
				t.Errorf("%+v", s)
			}
		}
	})
}

// bracketed puts an IPv6 address into brackets, as Go has it.
func bracketed(address string) string {
	if i := strings.LastIndexByte(address, ':'); strings.Count(address, ":") > 1 {
		return "[" + address[:i] + "]" + address[i:]
	}
	return address
}

// FuzzProcesses: no answer to "show proc" names a worker without its master.
func FuzzProcesses(f *testing.F) {
	f.Add(someProcesses)
	f.Add("nothing")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseProcesses(text)
		if (err == nil) == (found.master == 0) || len(found.old) > strings.Count(text, "\n") {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// FuzzRefusal: what an answer complains about is part of it, and silence is no
// complaint.
func FuzzRefusal(f *testing.F) {
	for _, answer := range []string{"", "\n\n", "\n[6]: Server deleted.\n", "\n[3]: No such server.\n", "\n[6]: Unknown command, but maybe\n  clear acl\n", "Permission denied\n", "[3]: \n", "[3]: \nwrong"} {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		problem := refusal(answer)
		if !strings.Contains(answer, problem) || strings.TrimSpace(answer) == "" && problem != "" {
			t.Errorf("%q complains %q", answer, problem)
		}
		if strings.HasPrefix(answer, "[3]: ") && problem == "" {
			t.Errorf("%q went unnoticed", answer)
		}
	})
}
