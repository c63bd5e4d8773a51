package commands_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/internal/commands"
	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestChangesAreOrdersToTheFleet(t *testing.T) {
	r := newRig(t, commands.Limits{})
	for _, test := range []struct {
		about, text string
		want        fleet.Command
	}{
		{"web1", "restart rank", fleet.Command{Do: fleet.DoRestart, Host: "web1", Service: rank}},
		{"host:web1", "stop shop/rank", fleet.Command{Do: fleet.DoStop, Host: "web1", Service: rank}},
		{"web1", "start rank", fleet.Command{Do: fleet.DoStart, Host: "web1", Service: rank}},
		{"web2", "drain", fleet.Command{Do: fleet.DoHostDrain, Host: "web2"}},
		{"web2", "activate", fleet.Command{Do: fleet.DoHostActivate, Host: "web2"}},
		{"web2", "freeze", fleet.Command{Do: fleet.DoFreeze, Host: "web2"}},
		{"web2", "unfreeze", fleet.Command{Do: fleet.DoUnfreeze, Host: "web2"}},
		{"rank", "scale 5", fleet.Command{Do: fleet.DoScale, Service: rank, Count: 5}},
		{"shop/rank", "restart", fleet.Command{Do: fleet.DoRestart, Service: rank}},
		{"shop/rank", "stop", fleet.Command{Do: fleet.DoStop, Service: rank}},
		{"shop/rank", "start", fleet.Command{Do: fleet.DoStart, Service: rank}},
		{"shop/rank", "freeze", fleet.Command{Do: fleet.DoFreeze, Service: rank}},
		{"shop/rank", "unfreeze", fleet.Command{Do: fleet.DoUnfreeze, Service: rank}},
		{"shop/rank", "rollback 3", fleet.Command{Do: fleet.DoRollback, Service: rank, Version: 3}},
		{"shop/rank", "promote --fully", fleet.Command{Do: fleet.DoPromote, Service: rank, Fully: true}},
		{"shop/rank", "pause", fleet.Command{Do: fleet.DoPause, Service: rank}},
		{"shop/rank", "resume", fleet.Command{Do: fleet.DoResume, Service: rank}},
		{"shop/rank", "abort", fleet.Command{Do: fleet.DoAbort, Service: rank}},
		{"shop/rank", "retry", fleet.Command{Do: fleet.DoRetry, Service: rank}},
	} {
		before := len(r.did)
		result := r.says(test.about, test.text)
		if len(r.did) != before+1 {
			t.Errorf("%s %s: %+v", test.about, test.text, result)
			continue
		}
		got := r.did[before]
		test.want.ID, test.want.Actor, test.want.By = "command ann "+result.ID, "ann", ann
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", test.want) {
			t.Errorf("%s %s: %+v, want %+v", test.about, test.text, got, test.want)
		}
		if result.OK && (result.Revision == 0 || result.Message == "" || result.By != "ann" || result.At.IsZero()) {
			t.Errorf("%s %s: %+v", test.about, test.text, result)
		}
	}
	if len(r.audited) > 0 {
		t.Errorf("what the fleet's loop audits is audited twice: %+v", r.audited)
	}
}

// TestEveryChangeHasAnOrder: none of the words for changes leads nowhere.
func TestEveryChangeHasAnOrder(t *testing.T) {
	r := newRig(t, commands.Limits{})
	args := map[string]string{"SERVICE": "rank", "[LINES]": "5", "COUNT": "2", "[VERSION]": "1", "[SERVICE]": "rank"}
	for about, on := range map[orders.About]string{orders.Host: "web1", orders.Service: "shop/rank"} {
		for _, word := range orders.Words(about) {
			text := word.Name
			for _, arg := range strings.Fields(word.Takes) {
				text += " " + args[arg]
			}
			dids, asks := len(r.did), len(r.asked)
			result := r.says(on, text)
			switch {
			case word.Changes && (len(r.did) != dids+1 || r.did[dids].Do == ""):
				t.Errorf("%s is no order: %+v", text, result)
			case !word.Changes && len(r.did) != dids:
				t.Errorf("%s changes something", text)
			case !word.Changes && word.Name != "status" && word.Name != "logs" && len(r.asked) != asks+1:
				t.Errorf("%s asks nobody: %+v", text, result)
			}
		}
	}
}

func TestWhomACommandIsAbout(t *testing.T) {
	r := newRig(t, commands.Limits{})
	r.joins("web", fleet.FeatureAnswers)
	for _, test := range []struct{ about, text, want, hint string }{
		{"web", "ping", `target: "web" is a service's name and a host's`, "write host:web or blog/web"},
		{"nobody", "ping", `there is neither a service nor a host "nobody"`, "see muster services and muster hosts"},
		{"host:web9", "ping", `there is no host "web9"`, "muster hosts lists them"},
		{"shop/nothing", "restart", "there is no service shop/nothing", "muster services lists them"},
		{"web1", "restart nothing", `there is no service "nothing"`, "muster services lists them"},
		{"host:web", "pull web", `service: "web" may mean blog/web or shop/web`, "name the project too: blog/web"},
		{"a/b/c", "restart", "service: ", ""},
		{"web1", "restart rank now", "command: restart takes one argument", "write: restart SERVICE"},
	} {
		result := r.says(test.about, test.text)
		if result.OK || !strings.HasPrefix(result.Message, test.want) || test.hint != "" && result.Hint != test.hint || result.Code == "" || result.ID == "" {
			t.Errorf("%s %s: %+v", test.about, test.text, result)
		}
	}
	// A name that several projects have stands for the one that is on the host.
	host := ""
	for _, in := range r.s.Instances {
		if in.Service.Project == "blog" {
			host = in.Host
		}
	}
	r.order(fleet.Command{Do: fleet.DoRemove, Service: fleet.ServiceKey{Project: "shop", Name: "web"}})
	if result := r.says("host:"+host, "restart web"); !result.OK {
		t.Errorf("%+v", result)
	}
	if n := len(r.audited); n < 8 || r.audited[0].Result != fleet.AuditRefused {
		t.Errorf("refusals aren't in the audit trail: %+v", r.audited)
	}
}

func TestARepeatDoesNothing(t *testing.T) {
	r := newRig(t, commands.Limits{})
	first := r.says("shop/rank", "restart --id r1")
	r.now = r.now.Add(time.Hour)
	if again := r.says("shop/rank", `{"id":"r1","do":"restart"}`); again != first || len(r.did) != 1 {
		t.Errorf("again: %+v, first %+v", again, first)
	}
	if other := r.says("shop/rank", "scale 5 --id r1"); other.OK || other.Code != fleet.CodeConflict || !strings.Contains(other.Message, "another command") {
		t.Errorf("another: %+v", other)
	}
	if other := r.says("web1", "restart rank --id r1"); other.OK {
		t.Errorf("another about a host: %+v", other)
	}
	bob := ann
	bob.Name = "bob"
	if his := r.d.Do(t.Context(), bob, "shop/rank", []byte("restart --id r1")); !his.OK || len(r.did) != 2 || his.Revision <= first.Revision {
		t.Errorf("somebody else's: %+v", his)
	}
	ping := r.says("web1", "ping --id p1")
	if again := r.says("web1", "ping --id p1"); again != ping || len(r.asked) != 1 {
		t.Errorf("a question again: %+v, first %+v", again, ping)
	}

	later := newRig(t, commands.Limits{}) // the hub was restarted: the fleet's loop remembers
	later.s, later.now = r.s, r.now
	if again := later.says("shop/rank", "restart --id r1"); again.Revision != first.Revision || again.Message != first.Message {
		t.Errorf("after a restart: %+v, first %+v", again, first)
	}
	if other := later.says("shop/rank", "scale 5 --id r1"); other.OK {
		t.Errorf("another after a restart: %+v", other)
	}
}

func TestARefusedCommandIsLookedAtAnew(t *testing.T) {
	r := newRig(t, commands.Limits{})
	r.leaves("web1")
	if result := r.says("web1", "ping --id p1"); result.OK {
		t.Fatal(result)
	}
	r.joins("web1", fleet.FeatureAnswers)
	if result := r.says("web1", "ping --id p1"); !result.OK {
		t.Errorf("%+v", result)
	}
}

func TestTheSameCommandAtTheSameTimeIsDoneOnce(t *testing.T) {
	r := newRig(t, commands.Limits{}).running()
	release := make(chan struct{})
	r.answer = func(host string, ask fleet.Ask) *fleet.Answer {
		go func() {
			<-release
			r.d.Answered(host, fleet.Answer{ID: ask.ID, OK: true, Output: "one"})
		}()
		return nil
	}
	for range 3 {
		r.d.Command(ann, wire.HostCommand("web1"), []byte("inspect rank --id i1"))
	}
	time.Sleep(20 * time.Millisecond)
	close(release)
	for _, told := range r.results(3) {
		if told.result.Output != "one" || told.topic != "muster/v1/hosts/web1/result/i1" {
			t.Errorf("%+v", told)
		}
	}
	if len(r.asked) != 1 {
		t.Errorf("asked %d times", len(r.asked))
	}
}

func TestAnExpiredCommandIsRefused(t *testing.T) {
	r := newRig(t, commands.Limits{})
	r.now = time.Date(2026, 1, 1, 12, 0, 5, 0, time.UTC)
	result := r.says("shop/rank", `{"do":"restart","notAfter":"2026-01-01T12:00:00Z"}`)
	if result.OK || !strings.Contains(result.Message, "it came 5s too late") || len(r.did) > 0 {
		t.Errorf("%+v", result)
	}
	if result := r.says("shop/rank", "restart --not-after 2026-01-01T12:00:05Z"); !result.OK {
		t.Errorf("in time: %+v", result)
	}
}

func TestADryRunDoesNothing(t *testing.T) {
	r := newRig(t, commands.Limits{})
	revision := r.s.Revision
	for text, want := range map[string]string{
		"scale 5 --dry-run --id d1":  "it would be done: shop/rank scaled from 2 to 5",
		"stop --dry-run --id d1":     "it would be done: shop/rank is stopped: ",
		"rollback 7 --dry-run":       "version 7 of shop/rank isn't kept",
		"scale 5000000 --dry-run":    "count: ",
		"restart --dry-run --id d1 ": "it would be done: ",
	} {
		if result := r.says("shop/rank", text); !strings.HasPrefix(result.Message, want) || !result.DryRun && result.Code != fleet.CodeInvalid {
			t.Errorf("%s: %+v", text, result)
		}
	}
	if result := r.says("web1", "ping --dry-run"); !result.OK || len(r.asked) > 0 {
		t.Errorf("%+v", result)
	}
	if result := r.says("web1", "prune --dry-run"); !result.OK || len(r.asked) != 1 || !r.asked[0].DryRun {
		t.Errorf("%+v, asked %+v", result, r.asked)
	}
	if len(r.did) > 0 || r.s.Revision != revision {
		t.Errorf("it did %+v", r.did)
	}
	if len(r.audited) != 7 || r.audited[0].Do == "" {
		t.Errorf("audited: %+v", r.audited)
	}
}

func TestAHostThatIsOff(t *testing.T) {
	r := newRig(t, commands.Limits{})
	r.leaves("web1")
	if result := r.says("web1", "drain"); !result.OK || !strings.HasSuffix(result.Message, "; web1 is lost: it will happen when it is back") {
		t.Errorf("%+v", result)
	}
	for _, text := range []string{"ping", "logs rank", "prune", "check", "inspect rank", "pull rank", "ping --dry-run"} {
		if result := r.says("web1", text); result.OK || result.Code != fleet.CodeUnavailable || result.Message != "web1 is lost: nobody there can answer" {
			t.Errorf("%s: %+v", text, result)
		}
	}
	if len(r.asked) > 0 {
		t.Error("it was asked")
	}
}

func TestAnOlderAgentIsNotAskedWhatItDoesNotKnow(t *testing.T) {
	r := newRig(t, commands.Limits{})
	r.joins("old1")
	r.tail = "line\n"
	for text, asks := range map[string]bool{"ping": false, "inspect rank": false, "check": false, "pull rank": false, "prune": true} {
		before := len(r.asked)
		if result := r.says("old1", text); result.OK != asks || (len(r.asked) > before) != asks || !asks && result.Message != "the agent on old1 is too old for that" {
			t.Errorf("%s: %+v", text, result)
		}
	}
}

func TestAnAgentThatDoesNotAnswer(t *testing.T) {
	limits := commands.DefaultLimits()
	limits.Ping = 20 * time.Millisecond
	r := newRig(t, limits)
	r.answer = func(string, fleet.Ask) *fleet.Answer { return nil }
	if result := r.says("web1", "ping"); result.OK || result.Code != fleet.CodeUnavailable || result.Message != "web1 hasn't answered within 20ms" {
		t.Errorf("%+v", result)
	}
	r.d.Answered("web1", fleet.Answer{ID: r.asked[0].ID, OK: true}) // too late: nobody waits
}

func TestQuestions(t *testing.T) {
	r := newRig(t, commands.Limits{})
	r.answer = func(_ string, ask fleet.Ask) *fleet.Answer {
		switch ask.Do {
		case fleet.AskPing:
			return &fleet.Answer{OK: true, Output: "runs for 1h0m0s", At: r.now.Add(-24 * time.Hour)}
		case fleet.AskProbe:
			return &fleet.Answer{Problem: "1 of 2 things that were tried fail", Output: "shop/rank a-1: its probe fails: HTTP 503\nengine: answers in 1ms"}
		case fleet.AskPrune:
			return &fleet.Answer{OK: true, Images: []fleet.PrunedImage{{ID: "sha256:1", Names: []string{"web:1"}, Bytes: 10}, {ID: "sha256:2", Bytes: 5}}}
		}
		return &fleet.Answer{OK: true, Output: ask.Do + " " + ask.Service.String() + " " + ask.Image}
	}
	for text, want := range map[string]fleet.CommandResult{
		"ping":         {OK: true, Message: "web1 answers in 0s: its agent runs for 1h0m0s; its clock is off by -24h0m0s"},
		"check":        {Code: fleet.CodeUnavailable, Message: "web1 says: 1 of 2 things that were tried fail", Output: "shop/rank a-1: its probe fails: HTTP 503\nengine: answers in 1ms"},
		"inspect rank": {OK: true, Message: "what shop/rank is made of on web1", Output: "inspect shop/rank "},
		"pull rank":    {OK: true, Message: "web1 has the image of version 1 of shop/rank", Output: "pull shop/rank rank:1"},
		"prune":        {OK: true, Message: "web1 removed 2 images that nothing needs, of 15 bytes at most", Output: "web:1 10 bytes\nsha256:2 5 bytes"},
	} {
		got := r.says("web1", text)
		if got.OK != want.OK || got.Message != want.Message || got.Output != want.Output || got.Code != want.Code {
			t.Errorf("%s: %+v", text, got)
		}
	}
	if got := r.says("shop/rank", "status"); !got.OK || got.Message != "shop/rank is progressing: 0 of 2 ready, version 1" || !strings.Contains(got.Output, `"desired": 2`) {
		t.Errorf("status: %+v", got)
	}
	if n := len(r.audited); n != 6 || r.audited[n-1].Who != "ann" || r.audited[n-1].Do != "command status" || r.audited[n-1].Subject != "services/shop/rank" {
		t.Errorf("audited: %+v", r.audited)
	}
}

func TestLogsAreBounded(t *testing.T) {
	r := newRig(t, commands.Limits{})
	if got := r.says("web1", "logs rank"); got.OK || got.Message != "no logs" {
		t.Errorf("%+v", got)
	}
	r.tail = "listening"
	if got := r.says("web1", "logs rank 7"); !got.OK || !strings.HasPrefix(got.Output, "7 of ") || !strings.HasSuffix(got.Output, "listening\n") {
		t.Errorf("%+v", got)
	}
	r.order(fleet.Command{Do: fleet.DoScale, Service: rank, Count: 12})
	r.tail = strings.Repeat("line\n", fleet.MaxOutput)
	if got := r.says("web1", "logs rank"); !got.OK || len(got.Output) > fleet.MaxOutput || strings.Contains(got.Output, "…") || strings.Count(got.Output, "--- ") < 5 {
		t.Errorf("%d bytes, %.200s", len(got.Output), got.Message)
	}
	r.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web2"})
	if got := r.says("web2", "logs shop/web"); got.OK {
		t.Errorf("%+v", got)
	}
}

func TestAViewerIsRefused(t *testing.T) {
	r := newRig(t, commands.Limits{}).running()
	r.d.Command(viewer, wire.HostCommand("web1"), []byte("drain --id v1"))
	got := r.results(1)[0]
	if got.topic != "muster/v1/hosts/web1/result/v1" || got.result.OK || got.result.Code != fleet.CodeForbidden || got.result.Message != "commands take the role operator, and vic is viewer" {
		t.Errorf("%+v", got)
	}
	if result := r.d.Do(t.Context(), viewer, "nobody", []byte("drain")); result.Code != fleet.CodeForbidden {
		t.Errorf("%+v", result)
	}
	if len(r.did) > 0 || len(r.audited) != 2 || r.audited[0].Result != fleet.AuditRefused || r.audited[0].Who != "vic" || r.audited[0].From != "192.0.2.8" {
		t.Errorf("did %+v, audited %+v", r.did, r.audited)
	}
}

func TestWhatTheBrokerRefusedIsTold(t *testing.T) {
	r := newRig(t, commands.Limits{}).running()
	r.d.Refused(ann, wire.ServiceCommand(rank), []byte("scale 5 --id r1"), "a command can't be retained")
	r.d.Refused(ann, wire.ServiceStatus(rank), nil, "this is no topic of commands")
	got := r.results(1)[0]
	if got.result.OK || got.result.Message != "a command can't be retained" || got.topic != "muster/v1/services/shop/rank/result/r1" || len(r.did) > 0 {
		t.Errorf("%+v", got)
	}
	if len(r.audited) != 1 {
		t.Errorf("audited %+v", r.audited)
	}
}

// Orders of one topic are carried out as they came; who asks, or asks too much,
// holds up nobody.
func TestCommandsKeepTheirOrder(t *testing.T) {
	r := newRig(t, commands.Limits{}).running()
	r.answer = func(string, fleet.Ask) *fleet.Answer { return nil }
	for range 10 {
		r.d.Command(ann, wire.HostCommand("web1"), []byte("ping"))
	}
	for n := range 30 {
		r.d.Command(ann, wire.ServiceCommand(rank), fmt.Appendf(nil, "scale %d --id n%d", n, n))
	}
	for i, told := range r.results(30) {
		if told.topic != fmt.Sprintf("muster/v1/services/shop/rank/result/n%d", i) {
			t.Fatalf("result %d: %+v", i, told)
		}
	}
	if got := r.did[29]; got.Count != 29 {
		t.Errorf("the last is %+v", got)
	}
}

func TestWhoGivesTooManyIsRefused(t *testing.T) {
	limits := commands.DefaultLimits()
	limits.Queue, limits.Person = 8, 3
	r := newRig(t, limits)
	r.held = make(chan struct{})
	r.running()
	for n := range 5 {
		r.d.Command(ann, wire.ServiceCommand(rank), fmt.Appendf(nil, "scale %d --id n%d", n, n))
	}
	for _, told := range r.results(2) {
		if told.result.OK || told.result.Code != fleet.CodeUnavailable || told.result.Message != "ann has 3 commands under way" || told.result.ID != "n3" && told.result.ID != "n4" {
			t.Errorf("%+v", told)
		}
	}
	if result := r.says("shop/rank", "status"); result.OK {
		t.Errorf("by HTTP it is taken: %+v", result)
	}
	for n := range 20 { // others have their share, until the queue is full
		who := ann
		who.Name = fmt.Sprintf("p%d", n)
		r.d.Command(who, wire.ServiceCommand(rank), []byte("restart"))
	}
	full := 0
	for _, told := range r.results(2 + 20 - 8 + 2)[2:] {
		if told.result.Message != "too many commands wait" {
			t.Errorf("%+v", told)
		}
		full++
	}
	close(r.held)
	if all := r.results(25); len(all) != 25 || full < 14 {
		t.Errorf("%d results, %d refused", len(all), full)
	}
	if result := r.says("shop/rank", "status"); !result.OK {
		t.Errorf("once there is room: %+v", result)
	}
}

func TestTooManyQuestionsAtOnce(t *testing.T) {
	limits := commands.DefaultLimits()
	limits.Questions = 2
	r := newRig(t, limits).running()
	r.answer = func(string, fleet.Ask) *fleet.Answer { return nil }
	for n := range 3 {
		r.d.Command(ann, wire.HostCommand("web1"), fmt.Appendf(nil, "ping --id n%d", n))
	}
	if got := r.results(1)[0]; got.result.ID != "n2" || got.result.Message != "too many questions are being asked" {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	limits := commands.DefaultLimits()
	limits.Results, limits.For = 3, time.Hour
	r := newRig(t, limits)
	for n := range 5 {
		r.says("web1", fmt.Sprintf("ping --id n%d", n))
	}
	r.says("web1", "ping --id n4")
	r.says("web1", "ping --id n2")
	if len(r.asked) != 5 {
		t.Errorf("asked %d times", len(r.asked))
	}
	r.says("web1", "ping --id n0")
	if len(r.asked) != 6 {
		t.Errorf("the oldest is still remembered")
	}
	r.now = r.now.Add(2 * time.Hour)
	r.says("web1", "ping --id other")
	r.says("web1", "ping --id n4")
	if len(r.asked) != 8 {
		t.Errorf("what is old is still remembered: asked %d times", len(r.asked))
	}
}

func TestWhatCannotBeAuditedIsNotAnswered(t *testing.T) {
	r := newRig(t, commands.Limits{})
	r.broken = errors.New("no space left on device")
	if got := r.says("web1", "inspect rank"); got.OK || got.Output != "" || got.Code != fleet.CodeUnavailable || !strings.Contains(got.Message, "no space left") {
		t.Errorf("%+v", got)
	}
}

func TestAPayloadIsTheCallersAgain(t *testing.T) {
	r := newRig(t, commands.Limits{}).running()
	payload := []byte("scale 4 --id c1")
	r.d.Command(ann, wire.ServiceCommand(rank), payload)
	copy(payload, "scale 9 --id c9")
	if got := r.results(1)[0]; got.result.ID != "c1" || r.did[0].Count != 4 {
		t.Errorf("%+v", got)
	}
	r.d.Command(ann, "muster/v1/hosts/web1/desired", []byte("ping"))
	r.d.Command(ann, wire.HostCommand("web1"), []byte("ping "+strings.Repeat("x", 2*fleet.MaxCommand)))
	if got := r.results(2)[1]; got.result.OK || !strings.Contains(got.result.Message, "bytes, more than") {
		t.Errorf("%+v", got)
	}
}

// Neither one person nor all of their programs take the places of all.
func TestOnePersonLeavesOthersTheirTurn(t *testing.T) {
	r := newRig(t, commands.DefaultLimits()).running()
	var answers atomic.Bool
	r.answer = func(string, fleet.Ask) *fleet.Answer {
		if answers.Load() {
			return &fleet.Answer{OK: true}
		}
		return nil
	}
	for n := range 300 {
		who := ann
		who.Name = fmt.Sprintf("ann/t%d", n%5)
		r.d.Command(who, wire.HostCommand("web1"), fmt.Appendf(nil, "ping --id n%d", n))
	}
	for _, told := range r.results(300 - 64) {
		if told.result.Message != "ann has 64 commands under way" {
			t.Fatalf("%+v", told)
		}
	}
	answers.Store(true)
	bob := ann
	bob.Name = "bob"
	r.d.Command(bob, wire.HostCommand("web1"), []byte("ping --id bobs"))
	if got := r.results(300 - 64 + 1)[300-64]; got.result.ID != "bobs" || !got.result.OK {
		t.Errorf("%+v", got)
	}
}
