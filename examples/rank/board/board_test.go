package board

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/examples/rank/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, store *redistest.Server) *Board {
	t.Helper()
	b := New(store.Addr)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func put(t *testing.T, b *Board, name string, percent float64) Standing {
	t.Helper()
	standing, err := b.Put(t.Context(), Person{Name: name, Percent: percent, Formula: "f", RecordedBy: "i1"})
	if err != nil {
		t.Fatal(err)
	}
	return standing
}

func TestRanking(t *testing.T) {
	b := open(t, redistest.Run(t))
	for _, c := range []struct {
		name    string
		percent float64
		want    Standing
	}{
		{"Ann", 20.5, Standing{1, 1}},
		{"Bob", 15.1, Standing{1, 2}},
		{"Cy", 20.5, Standing{2, 3}},
		{"Di", 30, Standing{4, 4}},
		{"Di", 10, Standing{1, 4}}, // has lost weight
	} {
		if got := put(t, b, c.name, c.percent); got != c.want {
			t.Fatalf("%s %v: %+v, want %+v", c.name, c.percent, got, c.want)
		}
	}
	entries, people, err := b.Top(t.Context(), 3)
	want := []Entry{{1, "Di", 10}, {2, "Bob", 15.1}, {3, "Ann", 20.5}}
	if err != nil || people != 4 || fmt.Sprint(entries) != fmt.Sprint(want) {
		t.Fatalf("top 3 of %d: %v %v", people, entries, err)
	}
	entries, _, _ = b.Top(t.Context(), 10)
	if len(entries) != 4 || entries[3] != (Entry{3, "Cy", 20.5}) {
		t.Fatalf("equal percentages share a rank: %v", entries)
	}
	person, standing, err := b.Get(t.Context(), "Cy")
	if err != nil || person.Percent != 20.5 || person.RecordedBy != "i1" || standing != (Standing{3, 4}) {
		t.Fatalf("Cy: %+v %+v %v", person, standing, err)
	}
	if _, _, err := b.Get(t.Context(), "Nobody"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("Nobody: %v", err)
	}
}

func TestEmptyBoard(t *testing.T) {
	entries, people, err := open(t, redistest.Run(t)).Top(t.Context(), 10)
	if err != nil || people != 0 || entries == nil || len(entries) != 0 {
		t.Fatalf("%v %d %v", entries, people, err)
	}
}

// Two instances enter the same person over and over. However their writes fall
// together, the ranking and the record must tell the same percentage.
func TestTwoInstancesEnterTheSamePerson(t *testing.T) {
	store := redistest.Run(t)
	boards := []*Board{open(t, store), open(t, store)}
	for round := range 50 {
		var writers sync.WaitGroup
		for i, b := range boards {
			for range 4 {
				percent := 10 + float64(rand.IntN(300))/10
				writers.Go(func() {
					p := Person{Name: "Ann", Percent: percent, RecordedBy: fmt.Sprint("i", i)}
					if _, err := b.Put(t.Context(), p); err != nil {
						t.Error(err)
					}
				})
			}
		}
		writers.Wait()
		entries, people, err := boards[0].Top(t.Context(), 10)
		if err != nil || people != 1 {
			t.Fatalf("round %d: %d people, %v", round, people, err)
		}
		person, _, err := boards[1].Get(t.Context(), "Ann")
		if err != nil || person.Percent != entries[0].Percent {
			t.Fatalf("round %d: record %v, ranking %v, %v", round, person.Percent, entries[0].Percent, err)
		}
	}
}

func TestSurvivesTheStoreGoingAway(t *testing.T) {
	store := redistest.Run(t)
	b := open(t, store)
	put(t, b, "Ann", 20)
	store.Stop()
	if err := b.Ping(t.Context()); err == nil {
		t.Fatal("the store is away, yet Ping succeeds")
	}
	if _, err := b.Put(t.Context(), Person{Name: "Bob"}); err == nil {
		t.Fatal("the store is away, yet Put succeeds")
	}
	store.Start()
	if err := b.Ping(t.Context()); err != nil {
		t.Fatalf("the store is back: %v", err)
	}
	if person, _, err := b.Get(t.Context(), "Ann"); err != nil || person.Percent != 20 {
		t.Fatalf("Ann: %+v %v", person, err)
	}
}

func TestWaitsAreBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	b := New("192.0.2.1:6379") // an address for documentation: nobody answers
	defer b.Close()
	began := time.Now()
	if err := b.Ping(ctx); err == nil {
		t.Fatal("nobody is there, yet Ping succeeds")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Fatalf("gave up after %v", took)
	}
}

// A later version may write more about a person than this one knows.
func TestReadsWhatALaterVersionWrites(t *testing.T) {
	b := open(t, redistest.Run(t))
	put(t, b, "Ann", 20)
	if err := b.client.HSet(t.Context(), peopleKey, "Ann", `{"name":"Ann","percent":20,"club":"Harriers"}`).Err(); err != nil {
		t.Fatal(err)
	}
	if person, _, err := b.Get(t.Context(), "Ann"); err != nil || person.Name != "Ann" || person.Percent != 20 {
		t.Fatalf("%+v, %v", person, err)
	}
}
