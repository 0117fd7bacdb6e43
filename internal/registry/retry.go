package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Backoff says how often something is tried that fails for reasons that may pass. Zero stands for the default.
type Backoff struct {
	Attempts int           // without progress; default 6
	First    time.Duration // the pause after the first failure, doubled by each further one; default 500 ms
	Longest  time.Duration // pause, also one that a registry asks for by Retry-After; default 60 s
	Stall    time.Duration // how long the other side may do nothing in the middle of a transfer; default 60 s
	// Sleep waits; nil: for as long as it is told to, or until ctx is done.
	Sleep func(ctx context.Context, pause time.Duration) error
	// Waiting, if set, is told of each pause and its reason.
	Waiting func(reason error, pause time.Duration)
}

// progress is how many bytes make a failure count as the first one again.
const progress = 256 << 10

// pause waits after a failure, the nth without progress, counted from 0. It answers the failure itself when it is no use to try again.
func (b Backoff) pause(ctx context.Context, n int, failure error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if n+1 >= cmp.Or(b.Attempts, 6) || !passing(failure) {
		return failure
	}
	longest := cmp.Or(b.Longest, time.Minute)
	wait := min(cmp.Or(b.First, 500*time.Millisecond)<<n, longest)
	wait += time.Duration(rand.Int64N(int64(wait)/4 + 1)) // so that many clients do not come back at once
	if asked, ok := retryAfter(failure); ok {
		if asked > longest {
			return fmt.Errorf("%w (the registry asks to be left alone for %v)", failure, asked)
		}
		wait = asked
	}
	if b.Waiting != nil {
		b.Waiting(failure, wait)
	}
	if b.Sleep != nil {
		return b.Sleep(ctx, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// statusError is an answer that may be another one later.
type statusError struct {
	answer *transport.Error
	after  time.Duration // 0: not said
}

func (e *statusError) Error() string { return e.answer.Error() }
func (e *statusError) Unwrap() error { return e.answer }

// passingStatus holds answers that are about now, not about the request. 499, 520 to 524: proxies.
func passingStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout, 499, 520, 521, 522, 523, 524:
		return true
	}
	return false
}

// newStatusError reads an answer, and closes it.
func newStatusError(response *http.Response) error {
	defer response.Body.Close()
	err := transport.CheckError(response)
	var refused *transport.Error
	if !errors.As(err, &refused) {
		return err
	}
	return &statusError{refused, parseRetryAfter(response.Header.Get("Retry-After"), time.Now())}
}

// parseRetryAfter understands seconds and dates (RFC 9110, 10.2.3).
func parseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

func retryAfter(err error) (time.Duration, bool) {
	var status *statusError
	if !errors.As(err, &status) || status.after == 0 {
		return 0, false
	}
	return status.after, true
}

// refused says that nobody listens, which is worth a second try in the middle of a transfer only.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// passing tells whether a failure may pass by itself.
func passing(err error) bool {
	var answer *transport.Error
	var timeout net.Error
	switch {
	case errors.As(err, &answer):
		return passingStatus(answer.StatusCode)
	case errors.Is(err, context.Canceled):
		return false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, errStalled),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED), refused(err):
		return true
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	}
	// net/http keeps the types of HTTP/2's errors to itself.
	text := err.Error()
	return strings.Contains(text, "http2:") || strings.Contains(text, "stream error:")
}

// retrying sends a request again when its answer or the lack of one may pass, if its body can be sent again.
type retrying struct {
	inner   http.RoundTripper
	backoff Backoff
}

func (t *retrying) RoundTrip(request *http.Request) (*http.Response, error) {
	for n := 0; ; n++ {
		response, err := t.inner.RoundTrip(request)
		var failure error
		switch {
		case request.Body != nil && request.GetBody == nil:
			return response, err
		case err == nil && !passingStatus(response.StatusCode):
			return response, nil
		case err == nil:
			failure = newStatusError(response)
		case refused(err):
			return nil, err
		default:
			failure = err
		}
		if err := t.backoff.pause(request.Context(), n, failure); err != nil {
			return nil, err
		}
		request = request.Clone(request.Context())
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}
