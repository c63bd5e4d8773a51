package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/buildinfo"
)

// maxAnswer bounds an answer that is not a stream.
const maxAnswer = 64 << 20

// Options of a client.
type Options struct {
	// URL of the hub: "https://hub.example:8443", or "unix:///run/muster/hub.sock" on
	// its own machine.
	URL string
	// Token of a session or of a program; empty: none.
	Token string
	// Private refuses a hub where others could read what is sent; so does a Token.
	Private bool
	// CA are certificates, in PEM, of which one has signed the hub's; empty: the
	// system's.
	CA []byte
	// Timeout of one request that is not a stream; zero: 15 s.
	Timeout time.Duration
	// Idle is how long a watch may be silent before it is begun anew; zero: 45 s.
	Idle time.Duration
	// Pause before a watch is begun anew after a failure, doubled up to 32
	// times as long; zero: 250 ms.
	Pause time.Duration
}

// Client of one hub.
type Client struct {
	base    *url.URL
	shown   string // the URL as it was given
	options Options
	http    *http.Client
}

// New makes a client. It connects to nothing yet.
func New(o Options) (*Client, error) {
	base, socket, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if (o.Private || o.Token != "") && socket == "" && !private(base) {
		return nil, inTheClear(base)
	}
	trusted, err := trust(o.CA)
	if err != nil {
		return nil, err
	}
	o.Timeout = orDefault(o.Timeout, 15*time.Second)
	o.Idle = orDefault(o.Idle, 45*time.Second)
	o.Pause = orDefault(o.Pause, 250*time.Millisecond)
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: o.Timeout,
		IdleConnTimeout:       30 * time.Second,
		TLSClientConfig:       trusted,
	}
	if socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
		}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a token goes to the hub that was named, and nowhere else
	}}
	return &Client{base: base, shown: strings.TrimRight(o.URL, "/"), options: o, http: client}, nil
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// Close closes the connections that are kept for later requests.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// URL is where the hub is.
func (c *Client) URL() string { return c.shown }

// Write says how a change is asked for.
type Write struct {
	// Key makes the change happen once, however often it is sent; empty: no such promise.
	Key string
	// IfMatch is the generation that the caller saw; 0: any.
	IfMatch uint64
}

func (w Write) header() http.Header {
	h := http.Header{}
	if w.Key != "" {
		h.Set("Idempotency-Key", w.Key)
	}
	if w.IfMatch != 0 {
		h.Set("If-Match", `"`+strconv.FormatUint(w.IfMatch, 10)+`"`)
	}
	return h
}

// call sends a request and reads its answer into out.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, header http.Header, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	resp, err := c.send(ctx, method, path, query, header, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		if ctx.Err() != nil {
			return c.unreachable(ctx, err)
		}
		return fmt.Errorf("read the hub's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// send sends a request; the caller closes the body of the answer, whose
// status is a success.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, header http.Header, in any) (*http.Response, error) {
	target := *c.base
	target.Path += unescape(path)
	target.RawPath = c.base.EscapedPath() + path
	target.RawQuery = query.Encode()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.options.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Token)
	}
	req.Header.Set("User-Agent", "muster/"+buildinfo.String())
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, problem(resp)
}

// step escapes one step of a path.
func step(text string) string { return url.PathEscape(text) }

func unescape(path string) string {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return plain
}
