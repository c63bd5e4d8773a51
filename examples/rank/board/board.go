// Package board keeps the leaderboard in Redis, shared by every instance of the
// service. Each write is one transaction, so that the ranking and the people's
// records agree whichever instances write at the same time; the last one wins.
package board

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// The board's two keys: a sorted set of names by percentage, and a hash from
// name to the JSON of Person.
const (
	rankingKey = "leaderboard:ranking"
	peopleKey  = "leaderboard:people"
)

// ErrNotFound is returned for a name that is not on the board.
var ErrNotFound = errors.New("not on the board")

// Person is one line of the board.
type Person struct {
	Name       string    `json:"name"`
	Percent    float64   `json:"percent"`
	Formula    string    `json:"formula"`
	RecordedAt time.Time `json:"recorded_at"`
	RecordedBy string    `json:"recorded_by"` // the instance that wrote it
}

// Standing is a place on the board: the least body fat has rank 1, equal
// percentages share a rank.
type Standing struct {
	Rank   int64 `json:"rank"`
	People int64 `json:"people"` // on the whole board
}

// Entry is a line of the ranking.
type Entry struct {
	Rank    int64   `json:"rank"`
	Name    string  `json:"name"`
	Percent float64 `json:"percent"`
}

// Board is a client of the store. It connects when it is first used, and again
// whenever the store was away.
type Board struct {
	client *redis.Client
}

// New returns a board for the store at addr (host:port). It connects nothing.
func New(addr string) *Board {
	return &Board{client: redis.NewClient(options(addr))}
}

// Close closes the connections.
func (b *Board) Close() error { return b.client.Close() }

// Ping fails unless the store answers and has its data loaded.
func (b *Board) Ping(ctx context.Context) error {
	if err := b.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ask the store: %w", err)
	}
	return nil
}

// Put enters a person, replacing what was known under that name.
func (b *Board) Put(ctx context.Context, p Person) (Standing, error) {
	record, err := json.Marshal(p)
	if err != nil {
		return Standing{}, fmt.Errorf("encode %s: %w", p.Name, err)
	}
	var better, people *redis.IntCmd
	_, err = b.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.ZAdd(ctx, rankingKey, redis.Z{Score: p.Percent, Member: p.Name})
		tx.HSet(ctx, peopleKey, p.Name, record)
		better, people = countBetter(ctx, tx, p.Percent), tx.ZCard(ctx, rankingKey)
		return nil
	})
	if err != nil {
		return Standing{}, fmt.Errorf("record %s: %w", p.Name, err)
	}
	return Standing{Rank: better.Val() + 1, People: people.Val()}, nil
}

// Get returns a person and the place that their percentage has now.
func (b *Board) Get(ctx context.Context, name string) (Person, Standing, error) {
	var p Person
	record, err := b.client.HGet(ctx, peopleKey, name).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return p, Standing{}, fmt.Errorf("look up %s: %w", name, ErrNotFound)
	case err != nil:
		return p, Standing{}, fmt.Errorf("look up %s: %w", name, err)
	}
	if err := json.Unmarshal(record, &p); err != nil {
		return p, Standing{}, fmt.Errorf("decode %s: %w", name, err)
	}
	var better, people *redis.IntCmd
	_, err = b.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		better, people = countBetter(ctx, tx, p.Percent), tx.ZCard(ctx, rankingKey)
		return nil
	})
	if err != nil {
		return p, Standing{}, fmt.Errorf("rank %s: %w", name, err)
	}
	return p, Standing{Rank: better.Val() + 1, People: people.Val()}, nil
}

// Top returns the first n lines of the ranking and the number of people on it.
func (b *Board) Top(ctx context.Context, n int) ([]Entry, int64, error) {
	var lines *redis.ZSliceCmd
	var people *redis.IntCmd
	_, err := b.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		lines = tx.ZRangeWithScores(ctx, rankingKey, 0, int64(n)-1)
		people = tx.ZCard(ctx, rankingKey)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the ranking: %w", err)
	}
	entries := make([]Entry, 0, len(lines.Val()))
	for i, line := range lines.Val() {
		name, _ := line.Member.(string)
		e := Entry{Rank: int64(i) + 1, Name: name, Percent: line.Score}
		if i > 0 && entries[i-1].Percent == e.Percent {
			e.Rank = entries[i-1].Rank
		}
		entries = append(entries, e)
	}
	return entries, people.Val(), nil
}

func countBetter(ctx context.Context, tx redis.Pipeliner, percent float64) *redis.IntCmd {
	return tx.ZCount(ctx, rankingKey, "-inf", "("+strconv.FormatFloat(percent, 'g', -1, 64))
}
