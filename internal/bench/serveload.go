package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// client asks for one run after another over a connection that it keeps. It sends bytes that were made before, so that what is
// measured is the server more than its client.
type client struct {
	connection net.Conn
	answers    *bufio.Reader
	body       []byte
}

func dial(ctx context.Context, address string) (*client, error) {
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{connection: connection, answers: bufio.NewReader(connection)}, nil
}

// helloRequest is a request for an isolated run of hello.
func helloRequest(address string) []byte {
	const body = `{"code": "` + hello + `"}`
	return fmt.Appendf(nil, "POST /v1/runs HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		address, len(body), body)
}

// ask sends a request, and reads an answer that has to say hello.
func (c *client) ask(request []byte) error {
	if _, err := c.connection.Write(request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	body := bytes.NewBuffer(c.body[:0])
	_, err = io.Copy(body, answer.Body)
	c.body = body.Bytes()
	if err == nil && (answer.StatusCode != http.StatusOK || !bytes.Contains(c.body, []byte(`"stdout":"hello\n"`))) {
		err = fmt.Errorf("hello is answered by %d %s", answer.StatusCode, c.body)
	}
	return err
}

// throughput is how many runs clients get answered in a second, each asking anew as soon as it was answered.
func throughput(ctx context.Context, address string, request []byte, clients int, took time.Duration) (float64, error) {
	var done atomic.Int64
	began := time.Now()
	err := closedLoop(ctx, address, request, clients, func() bool {
		done.Add(1)
		return time.Since(began) < took
	})
	return float64(done.Load()) / time.Since(began).Seconds(), err
}

// closedLoop has clients ask as long as next, which each of them calls after an answer, says so.
func closedLoop(ctx context.Context, address string, request []byte, clients int, next func() bool) error {
	failures := make(chan error, clients)
	for range clients {
		go func() {
			c, err := dial(ctx, address)
			if err == nil {
				defer c.connection.Close()
				defer context.AfterFunc(ctx, func() { c.connection.Close() })()
				for err = c.ask(request); err == nil && next(); {
					err = c.ask(request)
				}
			}
			failures <- err
		}()
	}
	var err error
	for range clients {
		err = errors.Join(err, <-failures)
	}
	return err
}

// openClients bounds how many requests are under way in the open loop; more than that wait, and their time counts.
const openClients = 64

// openLoop asks for runs at a rate, whatever the answers take, and gives what each took from the moment when it was to be asked
// for, in microseconds, and how many were answered in a second.
func openLoop(ctx context.Context, address string, request []byte, rate float64, took time.Duration) (latencies Sample, answered float64, err error) {
	count := int(rate * took.Seconds())
	due := make(chan time.Time, count) // the pace does not wait for the clients
	results := make(chan Sample, openClients)
	failures := make(chan error, openClients)
	var ready sync.WaitGroup
	ready.Add(openClients)
	for range openClients {
		go func() {
			own, err := answerTimes(ctx, address, request, due, ready.Done)
			results <- own
			failures <- err
		}()
	}
	ready.Wait()
	began := time.Now()
	pace(began, time.Duration(float64(time.Second)/rate), count, due)
	close(due)
	for range openClients {
		latencies = append(latencies, <-results...)
		err = errors.Join(err, <-failures)
	}
	return latencies, float64(len(latencies)) / time.Since(began).Seconds(), err
}

// answerTimes asks for what is due over one connection.
func answerTimes(ctx context.Context, address string, request []byte, due <-chan time.Time, ready func()) (own Sample, err error) {
	c, err := dial(ctx, address)
	ready()
	if err != nil {
		return nil, err
	}
	defer c.connection.Close()
	defer context.AfterFunc(ctx, func() { c.connection.Close() })()
	for at := range due {
		if err := c.ask(request); err != nil {
			return own, err
		}
		own = append(own, microseconds(time.Since(at)))
	}
	return own, nil
}

// pace tells when each of count requests is due, as that comes.
func pace(began time.Time, interval time.Duration, count int, due chan<- time.Time) {
	defer alone()()
	for i := range count {
		at := began.Add(time.Duration(i) * interval)
		sleepUntil(at)
		due <- at
	}
}
