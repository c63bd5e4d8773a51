package main

import "testing"

func TestShares(t *testing.T) {
	type counts map[string]int
	for _, c := range []struct {
		before, now counts
		want        string
	}{
		{nil, nil, "[                    ]  no answers"},
		{counts{"1": 5}, counts{"1": 5}, "[                    ]  no answers"},
		{nil, counts{"1": 7}, "[11111111111111111111]  1: 100 %"},
		{counts{"1": 100}, counts{"1": 290, "2": 10}, "[11111111111111111112]  1: 95 %  2: 5 %"},
		{counts{"1": 100}, counts{"1": 299, "2": 1}, "[11111111111111111112]  1: 100 %  2: 0 %"},
		{counts{"2": 100, "3": 50}, counts{"2": 200, "3": 50}, "[22222222222222222222]  2: 100 %"},
		{nil, counts{"1": 1, "2": 1, "10": 98}, "[12000000000000000000]  1: 1 %  2: 1 %  10: 98 %"},
	} {
		if got := shares(c.before, c.now); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.before, c.now, got, c.want)
		}
	}
}
