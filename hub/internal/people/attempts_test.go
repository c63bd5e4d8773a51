package people

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const bad = "wrong horse battery"

// A guesser at one address has five attempts, then longer and longer pauses, and
// what is tried in a pause isn't looked at, even if it is right.
func TestAGuesserIsSlowedDown(t *testing.T) {
	r := start(t)
	r.folk()
	try := func(password string) string {
		_, err := r.Login("ann", password, "203.0.113.9")
		if err == nil {
			return "in"
		}
		return err.Error()
	}
	for range freeAttempts {
		if got := try(bad); !strings.HasPrefix(got, "the name or the password is wrong") {
			t.Fatal(got)
		}
	}
	for _, pause := range []string{"2s", "4s", "8s", "16s", "32s", "1m4s", "2m8s", "4m16s", "5m0s", "5m0s"} {
		want := "too many attempts, try again in " + pause
		if got := try(good); !strings.HasPrefix(got, want) {
			t.Fatalf("%s; want %s", got, want)
		}
		d, _ := time.ParseDuration(pause)
		r.pass(d)
		try(bad)
	}
	r.pass(longestPause)
	if got := try(good); got != "in" {
		t.Errorf("after the pause: %s", got)
	}
	if got := try(bad); !strings.HasPrefix(got, "the name") {
		t.Errorf("a right password doesn't begin anew: %s", got)
	}
}

// A guesser at many addresses has one attempt from each, and keeps nobody out who
// comes from elsewhere with the right password.
func TestManyGuessersKeepNobodyOut(t *testing.T) {
	r := start(t)
	r.folk()
	for i := range 200 {
		from := fmt.Sprintf("203.0.%d.9", i)
		r.pass(time.Second)
		_, err := r.Login("ann", bad, from)
		r.refused(err, fleet.CodeUnauthenticated, "wrong")
		if i < freeAttempts {
			continue
		}
		_, err = r.Login("ann", bad, from)
		r.refused(err, fleet.CodeUnavailable, "too many attempts")
		if _, err := r.Login("ann", good, fmt.Sprintf("198.51.100.%d", i)); err != nil {
			t.Fatalf("after %d guesses: %v", i, err)
		}
	}
}

// Who has an account can't use it to guess others' passwords without pauses.
func TestARightPasswordOnlyTakesBackItsOwnMistakes(t *testing.T) {
	r := start(t)
	r.folk()
	const from = "203.0.113.9"
	for i := range freeAttempts {
		if _, err := r.Login("ann", bad, from); fleet.CodeOf(err) != fleet.CodeUnauthenticated {
			t.Fatal(err)
		}
		if i < freeAttempts-1 {
			_, err := r.Login("vic", good, from)
			r.must(err)
		}
	}
	_, err := r.Login("ann", bad, from)
	r.refused(err, fleet.CodeUnavailable, "too many attempts")
}

// Many at once from one address aren't looked at before the first were counted.
func TestParallelGuessesAreCounted(t *testing.T) {
	r := start(t)
	r.folk()
	var mu sync.Mutex
	looked := 0
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, err := r.Login("ann", bad, "203.0.113.9")
			mu.Lock()
			defer mu.Unlock()
			if fleet.CodeOf(err) == fleet.CodeUnauthenticated {
				looked++
			}
		})
	}
	all.Wait()
	if looked != freeAttempts {
		t.Errorf("%d were looked at", looked)
	}
}

// Right ones at once are all let in.
func TestParallelLogins(t *testing.T) {
	r := start(t)
	r.folk()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := r.Login("olga", good, "192.0.2.5"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// A program with an old token doesn't keep its neighbours at the address out.
func TestWrongTokensKeepNobodyOut(t *testing.T) {
	r := start(t)
	r.folk()
	text, _, err := r.AddToken(admin, "vic", "ci", fleet.RoleViewer, 0)
	r.must(err)
	wrong := newBearer().text()
	for range freeAttempts {
		_, err := r.Token(wrong, "192.0.2.5")
		r.refused(err, fleet.CodeUnauthenticated, "this token isn't known")
	}
	_, err = r.Token(wrong, "192.0.2.5")
	r.refused(err, fleet.CodeUnavailable, "too many attempts, try again in 2s")
	if _, err := r.Token(text, "192.0.2.5"); err != nil {
		t.Error(err)
	}
	if _, err := r.Login("vic", good, "192.0.2.5"); err != nil {
		t.Error(err)
	}
}

func TestTablesOfAttemptsAreBounded(t *testing.T) {
	a, now := newAttempts(), time.Unix(0, 0)
	for i := range attemptsKnown + 100 {
		a.wrong(fmt.Sprint("name", i), fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff), now)
	}
	for _, s := range []*strikes{&a.addresses, &a.names, &a.pairs} {
		if len(s.by) != attemptsKnown || s.order.Len() != attemptsKnown {
			t.Errorf("%d, %d", len(s.by), s.order.Len())
		}
	}
	for range freeAttempts {
		a.wrong("ann", "x", now)
	}
	if a.pause("ann", "x", now) == 0 || a.pause("ann", "x", now.Add(forgotten+time.Second)) != 0 {
		t.Error("it isn't forgotten in time, or too soon")
	}
}

// The machines of one IPv6 network are one, and an address is the same in both forms.
func TestNetworks(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "uid 7": "uid 7",
	} {
		if got := network(from); got != want {
			t.Errorf("%s: %s", from, got)
		}
	}
}

// An unknown name costs what a known one does: the same hash, once.
func TestUnknownNamesCostTheSame(t *testing.T) {
	r := start(t)
	r.folk()
	r.must(r.AddAccount(admin, "tokens-only", fleet.RoleViewer, ""))
	r.must(r.SetDisabled(admin, "vic", true))
	known, err := parsePHC(r.accounts["ann"].Password)
	r.must(err)
	dummy, err := parsePHC(r.dummy)
	r.must(err)
	if known.cost != dummy.cost || known.cost != cheap || usualCost != (Cost{19 << 10, 2, 1}) {
		t.Errorf("%+v, %+v", known.cost, dummy.cost)
	}
	// Of those, none is told from the other by what it hears either.
	var said []string
	for i, name := range []string{"ann", "nobody", "vic", "tokens-only", "Not A Name", ""} {
		_, err := r.Login(name, bad, fmt.Sprint("192.0.2.", i))
		said = append(said, err.Error())
	}
	for _, text := range said {
		if text != said[0] {
			t.Errorf("%q and %q", text, said[0])
		}
	}
}

// BenchmarkLogin is what an attempt costs: about the same for a known name and an
// unknown one.
func BenchmarkLogin(b *testing.B) {
	o := DefaultOptions()
	o.Store = &memory{rows: map[string][]byte{}}
	p := New(o)
	p.accounts["ann"] = account{Role: fleet.RoleViewer, Password: hashPassword(good, o.Cost).String()}
	for _, name := range []string{"ann", "nobody"} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				_, _ = p.check(name, bad, fmt.Sprintf("192.0.%d.%d", i>>8&255, i&255))
			}
		})
	}
}
