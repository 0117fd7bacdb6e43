package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// counts are of what clients met.
type counts struct{ answers, refused, dropped atomic.Int64 }

// client asks for one thing after another, by chance.
type client struct {
	server *served
	counts *counts
	chance *rand.Rand
	http   *http.Client
}

func newClient(s *served, c *counts, chance *rand.Rand) *client {
	return &client{s, c, chance, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
}

// object is one in JSON.
type object map[string]any

// something does one of the things that clients do.
func (c *client) something(ctx context.Context) error {
	deeds := []struct {
		weight int
		do     func(context.Context) error
	}{
		{20, c.hello}, {4, c.files}, {6, c.failing}, {2, c.endless}, {2, c.greedy}, {4, c.stream}, {3, c.leaveStream}, {3, c.leaveRun},
		{3, c.cancel}, {6, c.session}, {2, c.idleSession}, {2, c.endedSession}, {2, c.large}, {3, c.malformed}, {2, c.garbage},
		{1, c.slowRequest}, {1, c.slowReader}, {2, c.again}, {2, c.look},
	}
	all := 0
	for _, d := range deeds {
		all += d.weight
	}
	at := c.chance.IntN(all)
	for _, d := range deeds {
		if at -= d.weight; at < 0 {
			return d.do(ctx)
		}
	}
	return nil
}

// ask makes a request, and gives the answer's body. A status that is not one of those wanted is an error; a client that is told to
// come later does without an answer: "".
func (c *client) ask(ctx context.Context, method, path string, body any, wanted ...int) (string, error) {
	text, ok := body.(string)
	if !ok && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		text = string(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server.url+path, strings.NewReader(text))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	if key, ok := ctx.Value(idempotencyKey{}).(string); ok {
		request.Header.Set("Idempotency-Key", key)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, path, err)
	}
	c.counts.answers.Add(1)
	if answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable {
		c.counts.refused.Add(1)
		if answer.Header.Get("Retry-After") == "" {
			return "", fmt.Errorf("%s %s: %s without Retry-After: %s", method, path, answer.Status, got)
		}
		return "", nil
	}
	for _, status := range append(wanted, http.StatusOK) {
		if answer.StatusCode == status {
			return string(got), nil
		}
	}
	return "", fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, got)
}

type idempotencyKey struct{}

// run runs code, and checks what the answer says.
func (c *client) run(ctx context.Context, run object, says string) error {
	got, err := c.ask(ctx, http.MethodPost, "/v1/runs", run)
	if err == nil && got != "" && !strings.Contains(got, says) {
		err = fmt.Errorf("%v is answered by %s, without %s", run, got, says)
	}
	return err
}

// dropping does something with a context that ends soon, and does not mind what comes of it.
func (c *client) dropping(ctx context.Context, do func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, time.Duration(c.chance.IntN(30))*time.Millisecond)
	defer cancel()
	if err := do(within); err != nil && within.Err() == nil {
		return err
	}
	c.counts.dropped.Add(1)
	return nil
}

// raw sends bytes over a connection of its own, reads up to so many, and leaves.
func (c *client) raw(ctx context.Context, text string, read int64, linger time.Duration) error {
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(c.server.url, "http://"))
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = connection.Write([]byte(text)) // the server may have had enough before
	_, _ = io.Copy(io.Discard, io.LimitReader(connection, read))
	select {
	case <-time.After(linger):
	case <-ctx.Done():
	}
	c.counts.dropped.Add(1)
	return nil
}

// post is a request as bytes.
func post(path string, body []byte) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	return b.String()
}
