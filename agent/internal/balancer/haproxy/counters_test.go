package haproxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// measuredPool has the endpoints that the tables of these tests know.
func measuredPool(instances ...string) fleet.Pool {
	pool := fleet.Pool{Service: fleet.ServiceKey{Project: "shop", Name: "web"}, Measure: true}
	for _, id := range instances {
		pool.Endpoints = append(pool.Endpoints, fleet.Endpoint{Instance: id, Version: 3})
	}
	return pool
}

// table is an answer to "show stat" with one server's line, "column=value …".
func table(t testing.TB, values string) []row {
	t.Helper()
	heading, line := "# pxname,svname", "b:shop:web:80,1a-1"
	for _, value := range strings.Fields(values) {
		column, value, _ := strings.Cut(value, "=")
		heading, line = heading+","+column, line+","+value
	}
	rows, err := statistics(heading + "\n" + line + "\n\n")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestWhatIsARequestAndWhatFailed has the counters that HAProxy 2.6 was seen to
// have after some requests of a kind.
func TestWhatIsARequestAndWhatFailed(t *testing.T) {
	for _, test := range []struct {
		kind, line       string
		requests, failed uint64
		average          int
	}{
		{"answered", "mode=http stot=5 lbtot=5 hrsp_2xx=2 hrsp_3xx=1 hrsp_4xx=1 hrsp_other=1 ctime=1 rtime=202 ttime=602", 5, 0, 203},
		{"of 5xx", "mode=http stot=2 lbtot=2 hrsp_5xx=2 rtime=2 ttime=2", 2, 2, 2},
		{"a WebSocket", "mode=http stot=2 lbtot=2 hrsp_1xx=2 ttime=510000", 2, 0, 0},
		{"not connected", "mode=http stot=2 lbtot=2 econ=2", 2, 2, 0},
		{"not connected, so sent elsewhere", "mode=http stot=4 lbtot=4 wredis=4", 0, 0, 0},
		{"hung up on", "mode=http stot=2 lbtot=2 eresp=2", 2, 2, 0},
		{"hung up on later in a connection", "mode=http stot=10 lbtot=10", 10, 10, 0},
		{"the same, one of them about to be seen so", "mode=http stot=10 lbtot=10 scur=1", 9, 9, 0},
		{"timed out", "mode=http stot=2 lbtot=2 eresp=2", 2, 2, 0},
		{"cut off", "mode=http stot=3 lbtot=3 hrsp_2xx=3 eresp=2 srv_abrt=2 rtime=1", 5, 2, 1},
		{"stood still", "mode=http stot=3 lbtot=3 hrsp_2xx=3 srv_abrt=2 rtime=3", 3, 2, 3},
		{"left by the client", "mode=http stot=3 lbtot=3 hrsp_2xx=1 cli_abrt=2", 1, 0, 0},
		{"hanging", "mode=http stot=3 lbtot=3 scur=3", 0, 0, 0},
		{"connections", "mode=tcp stot=5 lbtot=5 scur=2 srv_abrt=2 eresp=2 ttime=412", 5, 2, 0},
		{"connections that failed", "mode=tcp stot=4 lbtot=1 econ=1 wretr=3", 1, 1, 0},
	} {
		pool := measuredPool("1a-1")
		var l ledger
		l.follow([]fleet.Pool{pool})
		worker := sequence.Worker{PID: 1}
		mode, _, _ := strings.Cut(test.line, " ")
		for _, line := range []string{mode, test.line, test.line} { // what is missing is so at a second look
			l.take(worker, table(t, line), true)
			l.seen([]sequence.Worker{worker})
		}
		if got := l.endpoints(&pool)[0]; got.Requests != test.requests || got.Failed != test.failed || got.AverageMS != test.average || got.Version != 3 {
			t.Errorf("%s: %+v", test.kind, got)
		}
	}
}

func TestCountsGoOnThroughReloads(t *testing.T) {
	pool := measuredPool("1a-1")
	first, second := sequence.Worker{PID: 1, Started: 1}, sequence.Worker{PID: 2, Started: 2}
	var l ledger
	l.follow([]fleet.Pool{pool})
	want := func(when string, requests, failed uint64) {
		t.Helper()
		if got := l.endpoints(&pool)[0]; got.Requests != requests || got.Failed != failed {
			t.Errorf("%s: %+v, want %d and %d", when, got, requests, failed)
		}
	}
	for range 2 { // there is no telling when the missing ones were
		l.take(first, table(t, "mode=http stot=40 lbtot=40 hrsp_2xx=9 hrsp_5xx=1"), true)
		l.seen([]sequence.Worker{first})
		want("at first", 0, 0)
	}
	l.take(first, table(t, "mode=http stot=50 lbtot=50 hrsp_2xx=18 hrsp_5xx=2"), true)
	want("later", 10, 1)
	l.take(first, table(t, "mode=http stot=54 lbtot=54 hrsp_2xx=20 hrsp_5xx=2 scur=2"), false)
	l.take(second, table(t, "mode=http stot=3 lbtot=3 hrsp_2xx=3"), true)
	want("with an old worker", 15, 1)
	l.seen([]sequence.Worker{second})
	for range 2 {
		l.take(second, table(t, "mode=http stot=4 lbtot=4 hrsp_2xx=4"), true)
	}
	want("without it, and whatever came of its last requests", 16, 1)
	l.take(second, table(t, "mode=http stot=2 lbtot=2 hrsp_2xx=1 hrsp_5xx=1"), true)
	want("after the server was added anew", 18, 2)
	l.follow([]fleet.Pool{measuredPool()})
	if l.seen([]sequence.Worker{second}); len(l.accounts) > 0 || len(l.meters) > 0 {
		t.Error("an endpoint that left is remembered")
	}
}

// FuzzCounts: whatever HAProxy's tables say, counts never go down, and no more
// failed than there were.
func FuzzCounts(f *testing.F) {
	f.Add(someStat, someStat, someStat)
	f.Add(someStat, strings.ReplaceAll(someStat, ",5,", ",50,"), "")
	f.Add("# pxname,svname,stot,lbtot,hrsp_5xx,eresp,mode\nb:shop:web:80,1a-1,7,7,1,3,http\n\n",
		"# pxname,svname,stot,lbtot,hrsp_5xx,eresp,mode\nb:shop:web:80,1a-1,9,9,0,99999999999999999999,http\nb:shop:web:81,1a-1,9,9,,,tcp\n\n", someStat)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		pool := measuredPool("1a-1", "1a-2")
		var l ledger
		l.follow([]fleet.Pool{pool})
		before := map[string]fleet.EndpointCounts{}
		for i, text := range []string{a, b, a, c, b} {
			rows, err := statistics(text)
			if err != nil {
				continue
			}
			l.take(sequence.Worker{PID: i % 2}, rows, i%2 == 0)
			l.seen([]sequence.Worker{{PID: 0}, {PID: 1}})
			for _, now := range l.endpoints(&pool) {
				last := before[now.Instance]
				if now.Requests < last.Requests || now.Failed < last.Failed || now.Retried < last.Retried || now.Failed > now.Requests {
					t.Errorf("%+v became %+v", last, now)
				}
				before[now.Instance] = now
			}
		}
	})
}

func TestNewsAreTold(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	quiet, loud := measuredPool("1a-1"), measuredPool("1a-1")
	quiet.Measure = false
	var l ledger
	told := func(pool fleet.Pool) string {
		now = now.Add(balancer.CountsPause / 2)
		l.follow([]fleet.Pool{pool})
		l.take(sequence.Worker{PID: 1}, table(t, fmt.Sprintf("mode=tcp lbtot=%d", now.Unix())), true)
		l.seen([]sequence.Worker{{PID: 1}})
		counts, news := l.news("haproxy", []fleet.Pool{pool}, now)
		return fmt.Sprint(news, len(counts))
	}
	for i, step := range []struct {
		pool fleet.Pool
		want string
	}{
		{quiet, "false 0"}, {loud, "true 1"}, {loud, "false 0"}, {quiet, "true 0"}, {quiet, "false 0"}, {quiet, "false 0"}, {loud, "true 1"},
	} {
		if got := told(step.pool); got != step.want {
			t.Errorf("%d: %s, want %s", i, got, step.want)
		}
	}
}
