//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// crowd are clients that ask all the time: one that keeps nothing but its connection,
// one that brings its cookie, and one by HTTP/2 that does.
type crowd struct {
	visitor
	method string
	stop   chan struct{}
	group  sync.WaitGroup
	sent   [3]int
	failed [3]int
	last   [3]error
}

func (v visitor) crowd(method string) *crowd {
	c := &crowd{visitor: v, method: method, stop: make(chan struct{})}
	for i := range c.sent {
		client := v.client(i == 2)
		if i == 0 {
			client.Jar = nil
		}
		c.group.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				c.sent[i]++
				err := c.ask(client)
				if err != nil && c.method == http.MethodGet { // a client that tries again
					err = c.ask(client)
				}
				if err != nil {
					c.failed[i], c.last[i] = c.failed[i]+1, err
				}
			}
		})
	}
	return c
}

func (c *crowd) ask(client *http.Client) error {
	request, err := http.NewRequest(c.method, "https://shop.example:7443/", bytes.NewReader([]byte("hi")))
	if err != nil {
		return err
	}
	if c.method == http.MethodPost {
		request.GetBody = nil // it isn't tried again
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// lostNothing ends it.
func (c *crowd) lostNothing(what string) {
	c.Helper()
	close(c.stop)
	c.group.Wait()
	c.Logf("%s while %s: %v of %v failed", c.method, what, c.failed, c.sent)
	for i, n := range c.sent {
		if c.failed[i] > 0 || n < 100 {
			c.Errorf("client %d lost %d of %d: %v", i, c.failed[i], n, c.last[i])
		}
	}
}

// renewed: certificates are renewed and instances replaced while clients ask all the
// time, and no request is lost; a certificate that has expired isn't taken, and said.
func (v visitor) renewed(host, method string) {
	v.Helper()
	c := v.crowd(method)
	for range 3 {
		number := v.certify(host, v.authority, "shop", time.Now().Add(time.Hour), "shop.example")
		v.until(20*time.Second, "the new certificate is shown", func() (bool, string) { return v.number() == number, v.number() })
		time.Sleep(time.Second)
	}
	c.lostNothing("the certificate was renewed three times")
	c = v.crowd(method)
	v.apply(fmt.Sprintf(asked, host, ""))
	c.lostNothing("all instances were replaced")
	before := v.number()
	v.certify(host, v.authority, "shop", time.Now().Add(-time.Minute), "shop.example")
	v.until(20*time.Second, "an expired certificate is told", func() (bool, string) {
		out := v.mustMuster("lb")
		return strings.Contains(strings.Join(strings.Fields(out), " "), "shop: it expired"), out
	})
	if now := v.number(); now != before {
		v.Errorf("%s is shown, not %s", now, before)
	}
	v.certify(host, v.authority, "shop", time.Now().Add(time.Hour), "shop.example")
	v.until(20*time.Second, "all is well", func() (bool, string) {
		out := v.mustMuster("lb")
		return !strings.Contains(out, "expired"), out
	})
}
