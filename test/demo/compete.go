package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// people who enter the leaderboard.
var people = []map[string]any{
	{"name": "Ada", "sex": "female", "age": 36, "height": 165, "weight": 58, "waist": 70, "neck": 32, "hip": 94},
	{"name": "Bo", "sex": "male", "age": 41, "height": 182, "weight": 85, "waist": 92, "neck": 39},
	{"name": "Chen", "sex": "male", "age": 28, "height": 174, "weight": 68, "waist": 78, "neck": 37},
	{"name": "Dora", "sex": "female", "age": 52, "height": 170, "weight": 70, "waist": 80, "neck": 33, "hip": 102},
	{"name": "Emil", "sex": "male", "age": 63, "height": 178, "weight": 91, "waist": 101, "neck": 41},
	{"name": "Fay", "sex": "female", "age": 24, "height": 160, "weight": 54, "waist": 66, "neck": 31, "hip": 90},
}

// compete enters everybody through the balancer and shows who answered.
func compete(ctx context.Context, url string) error {
	say("\nSix people enter the leaderboard at %s:", url)
	// A connection each, so that the balancer chooses anew each time.
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, person := range people {
		if err := enter(ctx, client, url, person); err != nil {
			return err
		}
	}
	return nil
}

func enter(ctx context.Context, client *http.Client, url string, person map[string]any) error {
	body, err := json.Marshal(person)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/people", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("enter %s: %w", person["name"], err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("enter %s: %s: %s", person["name"], res.Status, answer)
	}
	say("  %s", bytes.TrimSpace(answer))
	return nil
}
